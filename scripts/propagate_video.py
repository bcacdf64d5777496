"""Propagate masks through any video: a video file or a folder of pictures, with masks on some frames.

Without masks, show the objects by clicks, boxes or words.
"""

import argparse
from pathlib import Path

from dataset.fingerprint import frames_fingerprint, masks_fingerprint
from dataset.video_dataset import UserVideo, open_user_video
from dataset.video_files.mp4_file import has_sound
from model import PropagationNetwork, load_network
from scripts.evaluation.backward import propagate_back
from scripts.evaluation.flags import (
    ANY_VIDEO_MEMORY_FRAMES,
    add_engine_flags,
    add_overwrite_flag,
    add_prompt_flags,
    read_engine_options,
)
from scripts.evaluation.loop import evaluate_video
from scripts.evaluation.overlays import write_contact_sheet, write_overlay
from scripts.evaluation.precision import choose_precision
from scripts.evaluation.run_record import OWN_FOLDER, Run, begin_run
from util.device import set_up_device
from util.errors import InputError, run_script
from util.files import sha256
from util.flag_types import MASKS_HELP, PICTURES, add_shared, path_with, positive_int, script_parser
from util.lock import lock_folder
from util.progress import FrameProgress
from util.ranks import Ranks


def main() -> None:
    """Parse the flags and propagate."""
    example = "python -m scripts.propagate_video --input clip.mp4 --masks first.png --output output/clip"
    backward = (
        "python -m scripts.propagate_video --input frames --masks masks --output output/both --backward"
    )
    parser = script_parser(__doc__, example, backward)
    add = parser.add_argument_group("video and masks").add_argument
    add_shared(add, "input")
    add("--masks", type=Path, help=f"{MASKS_HELP}; else see --click")
    add("--start", type=int, default=0, help="index of the first frame (default: %(default)s)")
    add("--end", type=int, help="index after the last frame (default: all)")
    add("--every", type=positive_int, default=1, help="step between frames (default: %(default)s)")
    add("--backward", action="store_true", help="also propagate each object backward from its first mask")
    add_shared(add, "size")
    add = parser.add_argument_group("results").add_argument
    add("--output", type=Path, required=True, help="folder of the masks, one paletted PNG per frame")
    add_overwrite_flag(add)
    add("--overlay", type=path_with(".mp4"), help="write an MP4 with the masks drawn in")
    add("--sound", action="store_true", help="add the sound of the video file to the --overlay")
    add("--contact_sheet", type=path_with(*PICTURES), help="write eight frames with the masks as a picture")
    add("--save_probs", type=Path, help="folder of the probabilities (half floats, compressed .npz)")
    add_prompt_flags(parser)
    add_engine_flags(parser, ANY_VIDEO_MEMORY_FRAMES, precision="auto")
    propagate(parser.parse_args())


def propagate(args: argparse.Namespace) -> None:
    """Check the flags, and propagate."""
    check_flags(args)
    if args.prompts:
        from scripts.evaluation.first_masks import write_first_masks  # onnxruntime is slow to import

        args.masks = write_first_masks(args)
        if args.first_only:
            return
    chosen = {"start": args.start, "end": args.end, "every": args.every, "backward": args.backward}
    video = open_user_video(args.input, args.masks, short_side=args.size, **chosen)
    video.forward.check_apart(args.output)
    device = set_up_device(args.device, args.no_tf32)
    amp = choose_precision(args, Ranks(device), video.forward)
    network = load_network(args.model, device, amp)
    with lock_folder(args.output, "run"):
        begin_run(run_of(args, video, amp), args.overwrite)
        write_results(args, video, network)


def check_flags(args: argparse.Namespace) -> None:
    """Raise InputError when flags contradict each other, or a result would lie in the input."""
    if args.start < 0 or (args.end is not None and args.end <= args.start):
        raise InputError("--start must not be negative, and --end must be above it.")
    if (args.masks is None) == (not args.prompts):
        raise InputError("give either --masks or --click, --box or --find, which make first masks.")
    if args.masks is not None and (args.at is not None or args.first_only):
        raise InputError("--at and --first_only are for --click, --box and --find: leave them out.")
    read = {path.resolve() for path in (args.input, args.masks) if path is not None}
    for flag in ("overlay", "contact_sheet"):
        path = getattr(args, flag)
        if path is not None and not read.isdisjoint((path.resolve(), path.parent.resolve())):
            raise InputError(f"--{flag} {path} is or lies in --input or --masks: give another place.")
    if args.sound and args.overlay is None:
        raise InputError("--sound needs a video to add it to: give --overlay too, or leave --sound out.")
    if args.sound and not (args.input.is_file() and has_sound(args.input)):
        raise InputError(f"{args.input} has no sound: leave --sound out.")


def run_of(args: argparse.Namespace, video: UserVideo, amp: bool) -> Run:
    """Return the settings and files of the run; `amp`: whether it computes in reduced precision."""
    names = video.frames.names
    settings = {
        "script": "propagate_video",
        "input": str(args.input.resolve()),
        "range": f"{len(names)} frames, {names[0]} to {names[-1]}",
        "size": args.size,
        "backward": args.backward,
        **read_engine_options(args),
        "amp": amp,
        "model": sha256(args.model),
        "frame set": frames_fingerprint(video.frames),
        "given mask": masks_fingerprint(video.forward),
    }
    files = [args.output / f"{name}.png" for name in names]
    if args.save_probs is not None:
        files += [args.save_probs / f"{name}.npz" for name in names]
    files += [path for path in (args.overlay, args.contact_sheet) if path is not None]
    return Run(args.output, settings, files, OWN_FOLDER)


def write_results(args: argparse.Namespace, video: UserVideo, network: PropagationNetwork) -> None:
    """Propagate, and write the masks and the files of other flags."""
    options, probs = read_engine_options(args), args.save_probs
    frames = len(video.forward) + (0 if video.backward is None else len(video.backward))
    with FrameProgress(frames) as progress:
        seconds = evaluate_video(video.forward, network, options, args.output, progress, probs)
        if video.backward is not None:
            made = set(video.forward.frames.names)
            seconds += propagate_back(video.backward, made, network, options, args.output, progress, probs)
    done = progress.done  # without those of a damaged video file that cannot be read
    print(f"{done} frames in {seconds:.1f} s of processing ({done / seconds:.2f} FPS): {args.output}")
    palette = video.forward.palette
    if args.overlay is not None:
        write_overlay(video.frames, args.output, palette, args.overlay, args.input if args.sound else None)
        print(f"overlay: {args.overlay}")
    if args.contact_sheet is not None:
        write_contact_sheet(video.frames, args.output, palette, args.contact_sheet)
        print(f"contact sheet: {args.contact_sheet}")


if __name__ == "__main__":
    run_script(main)
