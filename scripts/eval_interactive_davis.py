"""Evaluate on the DAVIS interactive track: a robot scribbles where masks are worst, eight times a sample."""

import argparse
import logging
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import torch

from dataset.davis_interactive import TrackSequence
from dataset.frame_source import PictureFiles
from dataset.image_io import image_size
from dataset.mask_writer import write_mask
from model import (
    FusionNetwork,
    InteractiveCore,
    PropagationNetwork,
    load_fusion,
    load_network,
    load_s2m,
)
from model.grab_cut import GrabCutSegmenter
from model.scribble_to_mask import S2MSegmenter, ScribbleSegmenter
from scripts.evaluation.flags import add_engine_flags, engine_options
from scripts.interactive_track.curve import NAMES, write_curve
from scripts.interactive_track.method import POLICIES, InteractiveMethod, NormalisedFrames
from scripts.interactive_track.report import SampleKey
from scripts.interactive_track.session import INTERACTIONS, SECONDS, DavisInteractiveSession
from util.background import BackgroundWriter
from util.device import set_up_device
from util.errors import InputError, run_script
from util.files import remove_leftovers, sha256
from util.flag_types import positive_float, positive_int
from util.lock import exclusive
from util.palette import voc_palette
from util.progress import FrameProgress
from util.ranks import joined_ranks, share

METRIC = "J_AND_F"
CURVE_FILE = "curve.png"

log = logging.getLogger(__name__)


def main() -> None:
    """Run the samples that are not finished, then report on all of them."""
    args = parse_args()
    device = set_up_device(args)
    with joined_ranks(device, for_training=False) as ranks, ExitStack() as alone:
        if ranks.is_first:
            alone.enter_context(exclusive(args.output, "evaluation"))
        session = open_session(args)
        for sequence in session.sequences.values():
            check_frames(sequence)
        networks = Networks(args, ranks.device, told=ranks.is_first)
        unfinished = ranks.from_first(session.unfinished())
        lengths = [work(session.sequences[key.sequence]) for key in unfinished]
        mine = [unfinished[index] for index in share(lengths, ranks.count)[ranks.rank]]
        if ranks.is_first:
            announce(session, unfinished, ranks.count)
            remove_leftovers(args.output)
        session.take(mine, reports=ranks.is_first)
        total = len(mine) * session.max_nb_interactions
        with FrameProgress(total, shown=ranks.is_first) as progress, session:
            run_samples(session, networks, args, progress, total)
        ranks.gather(None)  # all have finished
        if ranks.is_first:
            finish(session, args)


def parse_args() -> argparse.Namespace:
    """Parse the flags."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument_group("data and rules").add_argument
    add("--davis", type=Path, default=Path("../DAVIS/2017"), help="data set (default: %(default)s)")
    add("--subset", default="val", help="name of its list of sequences (default: %(default)s)")
    add("--output", type=Path, required=True, help="folder for report, summary and curve")
    add("--save_masks", action="store_true", help="also write the masks of each interaction there")
    add(
        "--policy",
        choices=POLICIES,
        default="published",
        help="propagate at interactions 3, 6 and 8 (the default), or at every one",
    )
    add("--interactions", type=positive_int, default=INTERACTIONS, help="of a sample (default: %(default)s)")
    add(
        "--max_time",
        type=positive_float,
        default=INTERACTIONS * SECONDS,
        help="seconds of a sample for each of its objects (default: %(default)s)",
    )
    add(
        "--no_scorer_time",
        action="store_true",
        help="let the method's own seconds alone count against --max_time, not the robot's and the scorer's",
    )
    add = parser.add_argument_group("the other two networks").add_argument
    add("--s2m", type=Path, help="weights (default: saves/s2m.pth if there; without, GrabCut takes its place)")
    add(
        "--fusion",
        type=Path,
        help="weights (default: saves/fusion.pth if there; without, old and new masks blend by distance)",
    )
    add_engine_flags(parser)
    args = parser.parse_args()
    for name in ("s2m", "fusion"):
        usual = Path("saves") / f"{name}.pth"
        if getattr(args, name) is None and usual.is_file():
            setattr(args, name, usual)
    return args


def open_session(args: argparse.Namespace) -> DavisInteractiveSession:
    """Return the session of the flags; what masks depend on is recorded in its folder."""
    weights = {"model": args.model, "s2m": args.s2m, "fusion": args.fusion}
    for name, path in weights.items():
        if path is not None and not path.is_file():
            raise InputError(f"there are no weights at {path}: give --{name} a file of them.")
    digests = {name: path and sha256(path) for name, path in weights.items()}
    return DavisInteractiveSession(
        davis_root=args.davis,
        subset=args.subset,
        max_nb_interactions=args.interactions,
        max_time=args.max_time,
        metric_to_optimize=METRIC,
        report_save_dir=args.output,
        scorer_time=not args.no_scorer_time,
        settings={**digests, **engine_options(args), "amp": args.amp, "policy": args.policy},
    )


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


def work(sequence: TrackSequence) -> int:
    """Return how much there is to compute in a sample, in frames and objects."""
    return len(sequence) * len(sequence.labels)


def announce(session: DavisInteractiveSession, unfinished: Sequence[SampleKey], processes: int) -> None:
    """Say what is run, and what about it is not as in the official track."""
    if len(unfinished) < len(session.keys):
        log.info("%d of %d samples are finished already.", len(session.keys) - len(unfinished), len(session.keys))
    made = [sequence.name for sequence in session.sequences.values() if not sequence.scribbles]
    if made:
        log.info("No files of scribbles for %s: the robot makes the first ones.", ", ".join(made))
    if processes > 1 and session.scorer_time:
        log.info(
            "The time limit is each process's own: %d share this machine or others, and slow each other down "
            "where they share processors.",
            processes,
        )


class Networks:
    """The networks of a run, and what takes the place of those that have no weights.

    Args:
        args: the flags.
        device: to compute on.
        told: say what takes whose place.
    """

    def __init__(self, args: argparse.Namespace, device: torch.device, told: bool) -> None:
        self.propagation: PropagationNetwork = load_network(args.model, device, args.amp)
        self.fusion: FusionNetwork | None = None
        self.segmenter: ScribbleSegmenter = GrabCutSegmenter()
        self.options = engine_options(args)
        if args.s2m is not None:
            self.segmenter = S2MSegmenter(load_s2m(args.s2m, device, args.amp), widen=True)
        elif told:
            log.info("No scribble-to-mask weights (--s2m): masks of scribbles are made by GrabCut.")
        if args.fusion is not None:
            self.fusion = load_fusion(args.fusion, device, args.amp)
        elif told:
            log.info("No fusion weights (--fusion): old and new masks are blended by distance.")

    def method(self, sequence: TrackSequence, policy: str, interactions: int) -> InteractiveMethod:
        """Return the method for one sample."""
        frames = PictureFiles(sequence.frames)
        labels = list(sequence.labels)
        core = InteractiveCore(
            self.propagation, NormalisedFrames(frames), labels, fusion=self.fusion, **self.options
        )
        return InteractiveMethod(frames, labels, self.segmenter, core, POLICIES[policy], interactions)


def run_samples(
    session: DavisInteractiveSession,
    networks: Networks,
    args: argparse.Namespace,
    progress: FrameProgress,
    total: int,
) -> None:
    """Answer all interactions; a sample that ends early counts as all of its own in the progress."""
    samples = -1
    with BackgroundWriter() as writer:
        for name, scribbles, is_new in session.scribbles_iterator(only_last=True):
            if is_new:
                samples += 1
                method = networks.method(session.sequences[name], args.policy, args.interactions)
                while progress.done < samples * args.interactions:
                    progress.advance(name)
            masks, candidates = method.answer(scribbles)
            if args.save_masks:
                folder = args.output / "masks" / name / f"{session.scribble_idx:03}" / str(method.number)
                for path, labels in zip(session.sequences[name].frames, masks, strict=True):
                    writer.submit(write_mask, folder / f"{path.stem}.png", labels.copy(), voc_palette())
            session.submit_masks(masks, candidates)
            progress.advance(name)
    while progress.done < total:
        progress.advance("done")


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


if __name__ == "__main__":
    run_script(main)
