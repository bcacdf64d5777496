"""Scores of a fitted network for each object, on samples that it was not trained on."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch.utils.data import default_collate

from dataset.training.annotated_frames import AnnotatedFrames
from model.training.forward import TrainingForward
from scripts.one_shot import OVERLAP, WARNING
from util.ranks import Ranks

FIRST_HELD_OUT = 1_000_000  # number of the first sample that no fit is trained on
SAMPLES_FOR_EACH = 8  # samples per object; a sample scores at most two objects
MOST_SAMPLES = 32
POOR = 0.5  # overlap of an object that was hardly learnt


@torch.no_grad()
def score_held_out(task: TrainingForward, dataset: AnnotatedFrames, ranks: Ranks) -> dict[int, float]:
    """Return the IoU of each object by label, in the last frames of samples that the fit was not trained on.

    Args:
        task: `PropagationForward` with the fitted network.
        dataset: samples of the video; an object that no sample shows has no IoU.
        ranks: the process and its device.
    """
    agree, either = (dict.fromkeys(dataset.objects, 0) for _ in range(2))
    for number in range(min(MOST_SAMPLES, SAMPLES_FOR_EACH * len(dataset.objects))):
        drawn = dataset[FIRST_HELD_OUT + number]
        labels: Sequence[int] = drawn["info"]["labels"]
        batch = {
            name: value.to(ranks.device)
            for name, value in default_collate([drawn]).items()
            if isinstance(value, torch.Tensor)
        }
        predicted = task(*task.inputs(batch))[0, 1].argmax(dim=0)
        truth = batch["cls_gt"][0, 2]
        for place, label in enumerate(filter(None, labels), start=1):
            ours, theirs = predicted == place, truth == place
            agree[label] += int((ours & theirs).sum())
            either[label] += int((ours | theirs).sum())
    return {label: agree[label] / either[label] for label in sorted(either) if either[label]}


def describe_fit(scores: Mapping[int, float], labels: Iterable[int]) -> str:
    """Return a text on the overlap of each object, with advice on poor ones."""
    said = ", ".join(f"object {label} {100 * score:.0f} %" for label, score in scores.items())
    unseen = ", ".join(str(label) for label in sorted(labels) if label not in scores)
    said += f"; object {unseen} is in none of them" if unseen else ""
    lines = [f"{OVERLAP} it was not trained on: {said}."]
    poor = [str(label) for label, score in scores.items() if score < POOR]
    if poor:
        lines.append(
            f"{WARNING} object {', '.join(poor)} may be lost: give masks on more frames, or more minutes; a "
            "small object needs a larger --size."
        )
    return "\n".join(lines)
