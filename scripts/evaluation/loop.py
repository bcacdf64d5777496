"""The loop behind every evaluation script: from videos on disk to mask files.

`evaluate_video` runs one engine over one video: `segment` decodes frames in the background
(`dataset/video.py`) and yields label maps, which a background thread writes. `evaluate` does this for all
unfinished videos of a benchmark, shared over processes. Scores, overlays and archives are made of the files.
"""

import argparse
import logging
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dataset.masks.writer import write_mask
from dataset.video import Frame, Video
from dataset.video_checks import check_video
from dataset.video_files.frame_source import Selection
from model import InferenceCore, PropagationNetwork, load_network
from scripts.evaluation.flags import read_engine_options
from scripts.evaluation.mirrored import MirroredPair
from scripts.evaluation.overlays import write_contact_sheet, write_overlay
from scripts.evaluation.precision import choose_precision
from scripts.evaluation.run_record import Run, begin_run, collect_settings
from scripts.evaluation.scores import TABLE, report, score_video
from util.background import BackgroundWriter
from util.device import set_up_device
from util.errors import InputError
from util.files import atomic_path, check_output_file, remove_leftovers, sha256
from util.lock import lock_folder
from util.progress import FrameProgress
from util.ranks import Ranks, join_ranks, share

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Segmented:
    """The result of one frame."""

    frame: Frame
    prob: Tensor  # (K+1) x h x w, at working size
    objects: list[int]  # labels of the K objects
    labels: NDArray[np.uint8]  # H x W, at original size
    seconds: float  # processing time: the engine and the label map, without reading and writing


def segment(video: Video, engine: InferenceCore | MirroredPair) -> Iterator[Segmented]:
    """Propagate the given masks through a video; frames are decoded in the background."""
    video = replace(video, pinned=engine.device.type == "cuda")
    last = len(video) - 1
    for index, frame in enumerate(video):
        if index == 0 and frame.mask is not None and not video.read_given(0, frame.size).any():
            log.warning("%s: its first mask %s is empty.", video.name, video.masks[0])
        start = time.perf_counter()
        try:
            prob = engine.step(frame.image, frame.mask, last=index == last)
        except InputError as error:
            raise InputError(f"{video.name}, {frame.name}: {error}") from error
        labels = engine.label_map(prob, frame.size).cpu().numpy()  # .cpu() waits for a GPU
        yield Segmented(frame, prob, list(engine.labels), labels, time.perf_counter() - start)


def evaluate(
    videos: Sequence[Video],
    args: argparse.Namespace,
    *,
    script: str,
    data: Path,
    zip_folder: str = "",
    about: str = "",
    **protocol: str | int | bool | None,
) -> None:
    """Propagate through every unfinished video, write the masks, print speed and scores.

    Under torchrun the processes share the videos. Times are summed, so FPS is the speed of one process.

    Args:
        videos: all videos, in the order of the benchmark.
        args: parsed flags of `make_evaluation_parser`.
        script: name of the benchmark's script.
        data: root of the benchmark's data.
        zip_folder: folder around the videos in the archive of --zip; empty for none.
        about: message to log at the start.
        protocol: other settings that change the masks; they are recorded in the output folder.
    """
    options = read_engine_options(args)
    whole_videos = videos
    if args.max_frames is not None:
        videos = [first_frames(video, args.max_frames) for video in videos]
    device = set_up_device(args.device, args.no_tf32)
    with join_ranks(device, for_training=False) as ranks, ExitStack() as alone:
        if ranks.is_first:
            if about:
                log.info("%s", about)
            check_input(videos, args)
        amp = choose_precision(args, ranks, videos[0])
        network = load_network(args.model, ranks.device, amp)
        if ranks.is_first:
            alone.enter_context(lock_folder(args.output, "evaluation"))
            remove_leftovers(args.output)
            flags = {
                "max_frames": args.max_frames,
                "flip": args.flip,
                "amp": amp,
                "model": sha256(args.model),
            }
            settings = collect_settings(script, data, videos, {**protocol, **options, **flags})
            begin_run(Run(args.output, settings, files_of_run(whole_videos, args)), args.overwrite)

        unfinished = [i for i, video in enumerate(videos) if not is_finished(video, args.output)]
        unfinished = ranks.from_first(unfinished)  # other ranks may look after the first has begun to write
        if ranks.is_first and len(unfinished) < len(videos):
            log.info("%d of %d videos are finished already.", len(videos) - len(unfinished), len(videos))
        mine = share([len(videos[i]) for i in unfinished], ranks.count)[ranks.rank]
        my_videos = [videos[unfinished[i]] for i in mine]

        frames = sum(len(video) for video in my_videos)
        seconds = 0.0
        with FrameProgress(frames, shown=ranks.is_first) as progress:
            for video in my_videos:
                folder = args.output / video.name
                seconds += evaluate_video(video, network, options, folder, progress, flip=args.flip)
        all_seconds, all_frames = map(sum, zip(*ranks.gather((seconds, frames)), strict=True))
        if ranks.is_first:
            print(f"Total processing time: {all_seconds:.3f}")
            print(f"Total processed frames: {all_frames}")
            print(f"FPS: {all_frames / all_seconds if all_seconds else 0:.3f}")
        write_products(videos, args, ranks)
        if ranks.is_first and args.zip is not None:
            write_zip(args.zip, videos, args.output, zip_folder)


def check_input(videos: Sequence[Video], args: argparse.Namespace) -> None:
    """Check videos and flags before anything is computed or written.

    Raises:
        InputError: a frame or mask cannot be used, --output is where they are read, or flags contradict.
    """
    if args.zip is not None and args.max_frames is not None:
        raise InputError("--zip needs the masks of all frames: leave --max_frames out.")
    for video in videos:
        video.check_apart(args.output / video.name)
        check_video(video, scored=args.score)
    if args.zip is not None:
        check_output_file(args.zip)


def files_of_run(videos: Sequence[Video], args: argparse.Namespace) -> list[Path]:
    """Return all files that a run may write: masks, score table, archive, overlays, contact sheets."""
    files = [args.output / video.name / f"{name}.png" for video in videos for name in video.results]
    files += [args.output / TABLE] + ([] if args.zip is None else [args.zip])
    for folder, suffix in ((args.overlay, ".mp4"), (args.contact_sheet, ".jpg")):
        if folder is not None:
            files += [folder / f"{video.name}{suffix}" for video in videos]
    return files


def write_products(videos: Sequence[Video], args: argparse.Namespace, ranks: Ranks) -> None:
    """Write overlays, contact sheets and scores of the masks, as the flags ask; ranks share the videos."""
    mine = videos[ranks.rank :: ranks.count]
    if ranks.is_first:
        if args.score:
            (args.output / TABLE).unlink(missing_ok=True)  # until there is a new one
        for folder in (args.overlay, args.contact_sheet):
            if folder is not None:
                remove_leftovers(folder)
    for video in mine:
        folder = args.output / video.name
        if args.overlay is not None:
            write_overlay(video.frames, folder, video.palette, args.overlay / f"{video.name}.mp4")
        if args.contact_sheet is not None:
            write_contact_sheet(video.frames, folder, video.palette, args.contact_sheet / f"{video.name}.jpg")
    scores = [score_video(video, args.output / video.name) if args.score else [] for video in mine]
    shares = ranks.gather(scores)  # also waits for the overlays of all ranks
    if ranks.is_first and args.score:
        in_order = (shares[i % ranks.count][i // ranks.count] for i in range(len(videos)))
        report([score for scores in in_order for score in scores], args.output / TABLE)


def write_zip(path: Path, videos: Sequence[Video], output: Path, folder: str) -> None:
    """Pack the masks of a benchmark's videos atomically, in a folder or (if it is empty) at the top."""
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for video in videos:
            for name in video.results:  # PNGs are compressed already
                archive.write(output / video.name / f"{name}.png", Path(folder, video.name, f"{name}.png"))


def evaluate_video(
    video: Video,
    network: PropagationNetwork,
    options: dict[str, Any],
    folder: Path,
    progress: FrameProgress,
    probs: Path | None = None,
    flip: bool = False,
) -> float:
    """Write one video's masks as `folder/<frame>.png`; return the processing time in seconds.

    Args:
        video: frames and given masks.
        network: the propagation network, in eval mode.
        options: keyword arguments of the engine.
        folder: folder of the masks.
        progress: progress display, advanced once per frame.
        probs: folder of the probabilities, `<frame>.npz`; None writes none.
        flip: whether to average with the result on the mirrored video.
    """
    engine = MirroredPair(network, options) if flip else InferenceCore(network, **options)
    written = set(video.results)
    remove_leftovers(folder)
    if probs is not None:
        remove_leftovers(probs)
    seconds = 0.0
    with BackgroundWriter() as writer:
        for result in segment(video, engine):
            name = result.frame.name
            if name in written:
                writer.submit(write_mask, folder / f"{name}.png", result.labels, video.palette)
            if probs is not None:
                prob = result.prob.half().cpu().numpy()
                writer.submit(write_probs, probs / f"{name}.npz", prob, result.objects)
            seconds += result.seconds
            progress.advance(video.name, result.seconds)
    return seconds


def write_probs(path: Path, prob: NDArray[np.float16], objects: list[int]) -> None:
    """Write probabilities `(K+1) x h x w` (background first) and the K labels, compressed."""
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, prob=prob, labels=np.array([0, *objects]))


def is_finished(video: Video, output: Path) -> bool:
    """Return whether all masks of a video exist; they are written atomically, so each is complete."""
    return all((output / video.name / f"{name}.png").is_file() for name in video.results)


def first_frames(video: Video, count: int) -> Video:
    """Return the first `count` frames of a video, with their masks."""
    indices = range(min(count, len(video)))
    masks = {index: path for index, path in video.masks.items() if index < count}
    given_labels = {index: labels for index, labels in video.given_labels.items() if index < count}
    return replace(video, frames=Selection(video.frames, indices), masks=masks, given_labels=given_labels)
