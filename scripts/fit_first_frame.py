"""Fit a network to the annotated frames of one video: a "one-shot fit".

This is for a video unlike the training data of the published weights, or when there are no weights. The fit
ends when the overlap (IoU) on held-out samples is good or no longer grows, after eight minutes at most. The
weights are of use for this video alone. Propagate with --no_previous, or mistakes may grow from frame to
frame. The same --seed, --iterations and --precision give the same weights on one kind of processor.
"""

import argparse
import math
from pathlib import Path
from statistics import fmean

import torch

from dataset.training.annotated_frames import AnnotatedFrames, read_annotated_frames
from dataset.video_dataset import open_user_video
from model import PropagationNetwork
from model.checkpoint import load_weights, save_checkpoint
from model.fast_inference.precision import is_reduced
from model.training.propagation_forward import PropagationForward
from scripts.one_shot.forwards import RememberedForward
from scripts.one_shot.held_out import describe_fit, score_held_out
from scripts.one_shot.training import FIRST_STEPS, KEY_PART, Fit
from util.device import add_device_flags, add_precision_flags, set_up_device
from util.errors import InputError, run_script
from util.files import check_output_file
from util.flag_types import INPUT_HELP, add_shared, positive_float, positive_int, script_parser, whole_number
from util.hyper_para import CROP_HELP, SEED_HELP, crop_size
from util.progress import PartProgress
from util.ranks import Ranks

MOST_MINUTES = 8
SCRATCH_RATE, LOADED_RATE = 4e-5, 5e-6  # learning rates; a low one keeps what the weights know


def main() -> None:
    """Parse the flags and fit."""
    example = "python -m scripts.fit_first_frame --frames clip.mp4 --masks first.png --output saves/clip.pth"
    parser = script_parser(__doc__, example)
    add = parser.add_argument_group("video, masks and weights").add_argument
    add("--frames", type=Path, required=True, help=INPUT_HELP)
    add_shared(add, "masks", "size")
    add("--load_network", type=Path, help="weights to start from (default: none, a start from scratch)")
    add("--output", type=Path, required=True, help="file of the weights, W.pth")
    add = parser.add_argument_group("training").add_argument
    enough = f"until the overlap is good or no longer grows, at most {MOST_MINUTES}"
    add("--minutes", type=positive_float, help=f"minutes of training (default: {enough})")
    add("--iterations", type=positive_int, help="training steps instead of a time; some train the keys first")
    add("--crop_size", type=crop_size, default=160, help=CROP_HELP)
    add("--seed", type=whole_number, default=0, help=SEED_HELP)
    add_precision_flags(add, "auto")
    add_device_flags(add)
    fit(parser.parse_args())


def fit(args: argparse.Namespace) -> None:
    """Train, write the weights, and print the overlap of each object on held-out samples."""
    check_output_file(args.output)
    torch.manual_seed(args.seed)
    ranks = Ranks(set_up_device(args.device, args.no_tf32))
    video = open_user_video(args.frames, args.masks, short_side=args.size).forward
    frames = read_annotated_frames(video)
    if not frames:
        raise InputError(f"the masks in {args.masks} are empty: there is nothing to learn.")
    dataset = AnnotatedFrames(frames, args.crop_size, seed=args.seed)
    network = PropagationNetwork().to(ranks.device)
    amp = is_reduced(args.precision, ranks.device, (args.crop_size, args.crop_size), training=True)

    def scores() -> dict[int, float]:
        return score_held_out(PropagationForward(network, amp), dataset, ranks)

    until_good = args.minutes is None and args.iterations is None
    steps = FIRST_STEPS if until_good else args.iterations
    minutes = math.inf if args.iterations else args.minutes or MOST_MINUTES
    with PartProgress("one-shot fit") as progress:
        run = Fit(dataset, ranks, amp, 60 * minutes, steps, progress.show)
        if args.load_network is not None:
            load_weights(network, args.load_network)
            keys, lr, shown = 0, LOADED_RATE, 0.0
        else:
            keys, lr, shown = run.start_from_scratch(network), SCRATCH_RATE, KEY_PART
        task = RememberedForward(network, amp, carry_masks=keys > 0)
        overlap = (lambda: fmean(scores().values() or [0.0])) if until_good else None
        taken = run.train(task, lr, shown, overlap)
    passed = run.passed() / 60

    save_checkpoint(network.state_dict(), args.output)
    before = f" after {keys} of the keys alone" if keys else ""
    best = " and best with --no_previous" if keys else ""
    print(
        f"One-shot fit to {len(frames)} annotated frames of {args.frames}: {taken} steps{before} in "
        f"{passed:.1f} minutes, for this video alone, at --size {args.size}{best}: {args.output}"
    )
    print(describe_fit(scores(), dataset.objects))


if __name__ == "__main__":
    run_script(main)
