"""The evaluation of our own method on the interactive track."""

import argparse
import logging
from collections.abc import Sequence
from contextlib import ExitStack

from dataset.davis_interactive import TrackSequence
from dataset.image_io import image_size
from dataset.mask_writer import write_mask
from scripts.interactive_track.curve import NAMES, write_curve
from scripts.interactive_track.networks import Networks, settings_of
from scripts.interactive_track.report import SampleKey
from scripts.interactive_track.session import DavisInteractiveSession
from util.background import BackgroundWriter
from util.device import set_up_device
from util.errors import InputError
from util.lock import exclusive
from util.palette import voc_palette
from util.progress import CountProgress
from util.ranks import joined_ranks, share

METRIC = "J_AND_F"
CURVE_FILE = "curve.png"
MASKS_FOLDER = "masks"

log = logging.getLogger(__name__)


def evaluate(args: argparse.Namespace) -> None:
    """Run the samples that are not finished, then report on all of them.

    Under torchrun the samples are shared out over the processes; each has its own clock.

    Args:
        args: of `flags.parse_args`.
    """
    with joined_ranks(set_up_device(args), for_training=False) as ranks, ExitStack() as alone:
        if ranks.is_first:
            alone.enter_context(exclusive(args.output, "evaluation"))
        session = open_session(args)
        networks = Networks(args, ranks.device, told=ranks.is_first)
        unfinished = ranks.from_first(session.unfinished())  # others may look after the first has begun
        work = [
            len(session.sequences[key.sequence].labels) * len(session.sequences[key.sequence])
            for key in unfinished
        ]
        mine = [unfinished[index] for index in share(work, ranks.count)[ranks.rank]]
        if ranks.is_first:
            announce(session, unfinished, ranks.count)
        session.take(mine, reports=ranks.is_first)
        interactions = len(mine) * session.max_nb_interactions
        with CountProgress("interactions", interactions, shown=ranks.is_first) as progress, session:
            run_samples(session, networks, args, progress)
        ranks.gather(None)  # all have finished
        if ranks.is_first:
            finish(session, args)


def open_session(args: argparse.Namespace) -> DavisInteractiveSession:
    """Return the session of the flags; what masks depend on is recorded in its folder."""
    session = DavisInteractiveSession(
        davis_root=args.davis,
        subset=args.subset,
        max_nb_interactions=args.interactions,
        max_time=args.max_time,
        metric_to_optimize=METRIC,
        report_save_dir=args.output,
        scorer_time=not args.no_scorer_time,
        settings=settings_of(args),
    )
    for sequence in session.sequences.values():
        check_frames(sequence)
    return session


def check_frames(sequence: TrackSequence) -> None:
    """Raise InputError when a sequence has no pictures, or they are not of its masks' size."""
    if not sequence.frames:
        raise InputError(f"there are no frames of {sequence.name}: put its pictures beside its masks.")
    height, width = image_size(sequence.frames[0])
    if (height, width) != sequence.size:
        raise InputError(
            f"the frames of {sequence.name} are {width} x {height}, its masks {sequence.size[1]} x "
            f"{sequence.size[0]}; they must have the same size."
        )


def announce(session: DavisInteractiveSession, unfinished: Sequence[SampleKey], processes: int) -> None:
    """Say what is run, and what about it is not as in the official track."""
    if len(unfinished) < len(session.keys):
        log.info(
            "%d of %d samples are finished already.", len(session.keys) - len(unfinished), len(session.keys)
        )
    made = [sequence.name for sequence in session.sequences.values() if not sequence.scribbles]
    if made:
        log.info("No files of scribbles for %s: the robot makes the first ones.", ", ".join(made))
    if processes > 1 and session.scorer_time:
        log.info(
            "The time limit is each process's own: %d share this machine or others, and slow each other down "
            "where they share processors.",
            processes,
        )


def run_samples(
    session: DavisInteractiveSession, networks: Networks, args: argparse.Namespace, progress: CountProgress
) -> None:
    """Answer all interactions; those that a sample does without count as done when the next one begins."""
    begun = 0
    with BackgroundWriter() as writer:
        for name, scribbles, is_new in session.scribbles_iterator(only_last=True):
            sequence = session.sequences[name]
            if is_new:
                method = networks.method(sequence, args.policy, args.interactions)
                progress.advance_to(begun * args.interactions)
                begun += 1
            masks, candidates = method.answer(scribbles)
            number = session.scribble_idx
            session.submit_masks(masks, candidates)
            if args.save_masks:
                folder = args.output / MASKS_FOLDER / name / f"{number:03}" / str(method.number)
                for path, labels in zip(sequence.frames, masks, strict=True):
                    writer.submit(write_mask, folder / f"{path.stem}.png", labels.copy(), voc_palette())
            progress.advance()
    progress.advance_to(begun * args.interactions)


def finish(session: DavisInteractiveSession, args: argparse.Namespace) -> None:
    """Write report, summary and curve; print the two numbers that count."""
    session.write_report()
    summary = session.get_global_summary()
    samples = summary["samples"]
    title = f"DAVIS interactive, {args.policy}: {samples['finished']} samples"
    write_curve(summary, METRIC, title, args.output / CURVE_FILE)
    if samples["timed_out"]:
        print(f"Out of time: {len(samples['timed_out'])} of {samples['all']} samples")
    reached = summary["metric_at_threshold"]
    print(f"AUC {NAMES[METRIC]}: {100 * summary['auc']:.1f}")
    print(f"{NAMES[METRIC]}@{reached['threshold']}s: {100 * reached[METRIC]:.1f}")
    print(f"Report, summary and curve: {args.output}")
