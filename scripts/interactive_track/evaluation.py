"""Evaluation of our own method on the interactive track."""

import argparse
import logging
from pathlib import Path
from typing import Any

from dataset.image_io import image_size
from dataset.masks.writer import write_mask
from scripts.evaluation.flags import read_core_options
from scripts.evaluation.precision import choose_precision
from scripts.interactive_track.curve import write_curve
from scripts.interactive_track.method import InteractiveMethod, Networks
from scripts.interactive_track.report import SampleKey
from scripts.interactive_track.session import DavisInteractiveSession
from util.background import BackgroundWriter
from util.device import set_up_device
from util.errors import InputError
from util.files import remove_leftovers, sha256
from util.palette import voc_palette
from util.progress import FrameProgress
from util.ranks import join_ranks, share

log = logging.getLogger(__name__)


def evaluate(args: argparse.Namespace) -> None:
    """Run the unfinished samples, then report on all samples.

    Under torchrun the processes share the samples; each has its own clock.
    """
    with join_ranks(set_up_device(args.device, args.no_tf32), for_training=False) as ranks:
        args.amp = choose_precision(args, ranks)
        session = open_session(args)
        networks = Networks(args, ranks.device, told=ranks.is_first)
        unfinished = [key for key in session.keys if not is_done(session, key, args)]
        unfinished = ranks.from_first(unfinished)  # another rank may read files of the first one
        sequences = [session.sequences[key.sequence] for key in unfinished]
        shares = share([len(each) * len(each.labels) for each in sequences], ranks.count)
        mine = [unfinished[index] for index in shares[ranks.rank]]
        session.take(mine, reports=ranks.is_first)
        with session:
            ranks.from_first(None)  # the first rank has accepted the folder
            if ranks.is_first:
                announce(session, len(unfinished), ranks.count)
            interactions = len(mine) * session.max_nb_interactions
            with FrameProgress(interactions, ranks.is_first, rate="per second") as progress:
                run_samples(session, networks, args, progress)
            ranks.gather(None)  # wait for all ranks
        if ranks.is_first:
            finish(session, args)


def open_session(args: argparse.Namespace) -> DavisInteractiveSession:
    """Return the session of the flags; its folder records the settings.

    Raises:
        InputError: weights or pictures are missing, or pictures differ from their masks in size.
    """
    session = DavisInteractiveSession(
        davis_root=args.davis,
        subset=args.subset,
        max_nb_interactions=args.interactions,
        max_time=args.max_time,
        report_save_dir=args.output,
        scorer_time=not args.no_scorer_time,
        settings=settings_of(args),
    )
    for sequence in session.sequences.values():
        if not sequence.frames:
            raise InputError(f"there are no frames of {sequence.name}: put its pictures beside its masks.")
        height, width = image_size(sequence.frames[0])
        if (height, width) != sequence.size:
            raise InputError(
                f"the frames of {sequence.name} are {width} x {height}, its masks {sequence.size[1]} x "
                f"{sequence.size[0]}; they must have the same size."
            )
    return session


def settings_of(args: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that determine the masks, with digests of the weights."""
    digests: dict[str, str | None] = {}
    for name in ("model", "s2m", "fusion"):
        path: Path | None = getattr(args, name)
        if path is not None and not path.is_file():
            raise InputError(f"there are no weights at {path}: give --{name} a file of them.")
        digests[name] = None if path is None else sha256(path)
    return {**digests, **read_core_options(args), "amp": args.amp, "policy": args.policy}


def is_done(session: DavisInteractiveSession, key: SampleKey, args: argparse.Namespace) -> bool:
    """Return whether a sample is finished and, with --save_masks, its masks are written."""
    sample = session.samples[key]
    names = [path.stem for path in session.sequences[key.sequence].frames]
    folders = [mask_folder(args.output, key, number) for number in range(1, len(sample.interactions) + 1)]
    written = all((folder / f"{name}.png").is_file() for folder in folders for name in names)
    return sample.finished and (written or not args.save_masks)


def mask_folder(output: Path, key: SampleKey, number: int) -> Path:
    """Return the folder of the masks of an interaction."""
    return output / "masks" / key.sequence / f"{key.scribble_idx:03}" / str(number)


def announce(session: DavisInteractiveSession, unfinished: int, processes: int) -> None:
    """Log what is run, and what differs from the official track."""
    count = len(session.keys)
    if unfinished < count:
        log.info("%d of %d samples are finished already.", count - unfinished, count)
    made = [sequence.name for sequence in session.sequences.values() if not sequence.scribbles]
    if made:
        log.info("No scribble files for %s: the robot draws the first scribbles.", ", ".join(made))
    if processes > 1 and session.scorer_time:
        log.info("Each of the %d processes has its own clock; they slow each other down.", processes)


def run_samples(
    session: DavisInteractiveSession, networks: Networks, args: argparse.Namespace, progress: FrameProgress
) -> None:
    """Answer all interactions; interactions that a sample skips count as done when the next sample begins."""
    begun = 0
    with BackgroundWriter() as writer:
        for name, scribbles, is_new in session.scribbles_iterator(only_last=True):
            sequence = session.sequences[name]
            if is_new:
                method = InteractiveMethod(networks, sequence, args)
                progress.done = begun * args.interactions
                begun += 1
            masks, candidates = method.answer(scribbles)
            key = session.key
            session.submit_masks(masks, candidates)
            if args.save_masks:
                folder = mask_folder(args.output, key, method.number)
                remove_leftovers(folder)
                for path, labels in zip(sequence.frames, masks, strict=True):
                    writer.submit(write_mask, folder / f"{path.stem}.png", labels.copy(), voc_palette())
            progress.advance(name)


def finish(session: DavisInteractiveSession, args: argparse.Namespace) -> None:
    """Write the curve; print AUC and J&F@60s."""
    summary = session.get_global_summary()
    samples = summary["samples"]
    title = f"DAVIS interactive, {args.policy}: {samples['finished']} samples"
    write_curve(summary, title, args.output / "curve.png")
    if samples["timed_out"]:
        print(f"Out of time: {len(samples['timed_out'])} of {samples['all']} samples")
    reached = summary["metric_at_threshold"]
    print(f"AUC J&F: {100 * summary['auc']:.1f}")
    print(f"J&F@{reached['threshold']}s: {100 * reached['J_AND_F']:.1f}")
    print(f"Report, summary and curve: {args.output}")
