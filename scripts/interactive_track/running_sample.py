"""A running sample of the interactive track: its ground truth, scribbles, submissions and scores."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dataset.interactive.davis_interactive import TrackSequence
from dataset.interactive.scribble_robot import Scribble, robot_scribbles
from scripts.interactive_track.measures import choose_metric, score_video
from scripts.interactive_track.report import Interaction, SampleReport
from util.errors import InputError

ROBOT_SEED = 0


class RunningSample:
    """Scores submitted masks, and lets the robot draw scribbles on the worst frame.

    Args:
        sequence: sequence of the sample.
        report: report of the sample, without interactions yet; it is extended.
        metric: one of `measures.METRICS`; the worst frame has the lowest mean over objects.

    Raises:
        InputError: there is no scribble file, and the objects are too small for the robot.
    """

    def __init__(self, sequence: TrackSequence, report: SampleReport, metric: str) -> None:
        self.sequence = sequence
        self.report = report
        self.metric = metric
        self.truth = sequence.read_truth()
        self.frame = 0  # last frame with new scribbles
        self.used: set[int] = set()  # frames that the robot has chosen
        self.lines: list[list[list[Scribble]]] = []  # by interaction, by frame
        if sequence.scribbles:
            content = sequence.scribbles[report.key.scribble_idx]
            self.lines.append(content["scribbles"])
            self.frame = next(frame for frame, lines in enumerate(content["scribbles"]) if lines)
            return
        nothing = np.zeros_like(self.truth)
        self.scribble(nothing, score_video(nothing, self.truth, sequence.labels), range(len(self.truth)))
        self.used.clear()  # the first frame counts as a user's choice
        if not any(self.lines[0]):
            raise InputError(
                f"the objects of {sequence.name} are too small for the robot: give a scribble file."
            )

    def scribbles(self, only_last: bool) -> dict[str, Any]:
        """Return the scribbles of the last or of all interactions, in the form of a scribble file."""
        chosen_lines = self.lines[-1:] if only_last else self.lines
        frames = [[line for each in chosen_lines for line in each[frame]] for frame in range(len(self.truth))]
        return {"scribbles": frames, "sequence": self.sequence.name, "annotated_frame": self.frame}

    def score(self, prediction: NDArray[np.uint8], seconds: float) -> NDArray[np.float64]:
        """Score label maps `T x H x W`, record them with their time, and return J and F, `T x K x 2`."""
        scores = score_video(prediction, self.truth, self.sequence.labels)
        self.report.interactions.append(Interaction(seconds, scores))
        return scores

    def scribble(
        self, prediction: NDArray[np.uint8], scores: NDArray[np.float64], candidates: Sequence[int]
    ) -> None:
        """Let the robot scribble on the worst unused candidate frame, or on the worst one when all were used.

        The label maps are `T x H x W`, their J and F `T x K x 2`.
        """
        quality = choose_metric(scores, self.metric).mean(axis=1)
        fresh = [frame for frame in candidates if frame not in self.used] or candidates
        self.frame = min(fresh, key=lambda frame: (quality[frame], frame))
        self.used.add(self.frame)
        labels = self.sequence.labels
        lines = robot_scribbles(self.truth[self.frame], prediction[self.frame], labels, ROBOT_SEED)
        self.lines.append([lines if frame == self.frame else [] for frame in range(len(self.truth))])


def validate_masks(masks: ArrayLike, sequence: TrackSequence) -> NDArray[np.uint8]:
    """Return submitted label maps `T x H x W`; raise InputError for another shape or unknown labels."""
    shape = (len(sequence), *sequence.size)
    labels = np.asarray(masks)
    if labels.shape != shape or labels.dtype.kind not in "bui":
        raise InputError(
            f"the masks of {sequence.name} are {labels.shape} of {labels.dtype}: submit label maps of whole "
            f"numbers, {shape} (frames, height, width)."
        )
    unknown = sorted(set(np.unique(labels).tolist()) - {0, *sequence.labels})
    if unknown:
        raise InputError(
            f"the masks of {sequence.name} have the label {unknown[0]}, which is none of its objects "
            f"({', '.join(map(str, sequence.labels))}): submit their labels, and 0 for background."
        )
    return labels.astype(np.uint8)


def validate_candidates(candidates: Sequence[int] | None, frames: int) -> Sequence[int]:
    """Return the frames that the robot may choose from; raise InputError when one is not valid."""
    if candidates is None:
        return range(frames)
    if not len(candidates) or any(each not in range(frames) for each in candidates):
        raise InputError(
            f"the next frame's candidates are {list(candidates)}: give frames from 0 to {frames - 1}, or "
            "None for all."
        )
    return [int(each) for each in candidates]
