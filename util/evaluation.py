"""The one loop behind every evaluation script."""

import argparse
import json
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dataset.video import Frame, Video
from model import InferenceCore, PropagationNetwork, load_network
from util.background import BackgroundWriter, prefetch
from util.device import select_device
from util.errors import InputError
from util.evaluation_args import engine_options
from util.files import atomic_path, sha256
from util.mask_writer import write_mask
from util.palette import voc_palette
from util.progress import FrameProgress
from util.score import report, score_video

log = logging.getLogger(__name__)

SETTINGS_FILE = ".settings.json"


@dataclass(frozen=True)
class Segmented:
    """One frame's result."""

    frame: Frame
    prob: Tensor  # (K+1) x h x w, at working size
    labels: NDArray[np.uint8]  # H x W, at original size
    seconds: float  # processing time: the engine and the label map, without reading and writing


def segment(video: Video, engine: InferenceCore) -> Iterator[Segmented]:
    """Carry the given masks through a video; frames are decoded in the background."""
    last = len(video) - 1
    for index, frame in enumerate(prefetch(video.__getitem__, range(len(video)))):
        if index == 0 and frame.mask is not None and not frame.mask.any():
            log.warning("%s: its first mask %s is empty.", video.name, video.masks[0])
        start = time.perf_counter()
        prob = engine.step(frame.image, frame.mask, last=index == last)
        labels = engine.label_map(prob, frame.size).cpu().numpy()  # .cpu() waits for a GPU
        yield Segmented(frame, prob, labels, time.perf_counter() - start)


def evaluate(videos: Sequence[Video], args: argparse.Namespace) -> None:
    """Propagate through every unfinished video, write its masks, print the speed and the scores.

    Args:
        videos: in the order of the benchmark.
        args: flags of `evaluation_parser`.
    """
    network = load_network(args.model, select_device(args.device))
    options = engine_options(args)
    check_settings(args.output, {**options, "model": sha256(args.model)}, args.overwrite)
    if args.max_frames is not None:
        videos = [first_frames(video, args.max_frames) for video in videos]
    unfinished = [video for video in videos if args.overwrite or not is_finished(video, args.output)]
    if len(unfinished) < len(videos):
        log.info("%d of %d videos are finished already.", len(videos) - len(unfinished), len(videos))

    frames = sum(len(video) for video in unfinished)
    with FrameProgress(frames) as progress:
        seconds = sum(evaluate_video(video, network, options, args.output, progress) for video in unfinished)
    print(f"Total processing time: {seconds:.3f}")
    print(f"Total processed frames: {frames}")
    print(f"FPS: {frames / seconds if seconds else 0:.3f}")

    if args.score:
        scores = [score for video in videos for score in score_video(video, args.output / video.name)]
        report(scores, args.output / "results.csv")


def evaluate_video(
    video: Video,
    network: PropagationNetwork,
    options: dict[str, Any],
    output: Path,
    progress: FrameProgress,
) -> float:
    """Write one video's masks as `output/<video>/<frame>.png`; return the processing time in seconds."""
    palette = None if video.merge_labels else video.palette or voc_palette()
    seconds = 0.0
    with BackgroundWriter() as writer:
        for result in segment(video, InferenceCore(network, **options)):
            writer.submit(write_mask, mask_path(output, video, result.frame.name), result.labels, palette)
            seconds += result.seconds
            progress.advance(video.name, result.seconds)
    return seconds


def mask_path(output: Path, video: Video, frame_name: str) -> Path:
    """Return where a frame's mask is written."""
    return output / video.name / f"{frame_name}.png"


def is_finished(video: Video, output: Path) -> bool:
    """Tell whether every mask of a video is there; masks are written atomically, so each is whole."""
    return all(mask_path(output, video, path.stem).is_file() for path in video.frames)


def first_frames(video: Video, count: int) -> Video:
    """Return a video cut after `count` frames."""
    masks = {index: path for index, path in video.masks.items() if index < count}
    return replace(video, frames=video.frames[:count], masks=masks)


def check_settings(output: Path, settings: dict[str, Any], overwrite: bool) -> None:
    """Record what the masks in a folder are made with; refuse to mix them with other settings.

    Raises:
        InputError: the folder holds masks of other settings and `overwrite` is off.
    """
    path = output / SETTINGS_FILE
    if path.is_file() and not overwrite:
        before = json.loads(path.read_text())
        changed = [name for name in settings if before.get(name) != settings[name]]
        if changed:
            raise InputError(
                f"{output} holds masks made with another {', '.join(changed)}: "
                "give another --output, or --overwrite to replace them."
            )
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(settings, indent=1))
