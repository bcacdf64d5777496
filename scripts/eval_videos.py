"""Evaluate on any videos in folders, or on a benchmark by its preset.

The first line of a run states the protocol.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from dataset.presets import PRESETS, Preset
from dataset.video_folders import Given, Protocol, folder_videos
from scripts.evaluation.flags import ANY_VIDEO_MEMORY_FRAMES, make_evaluation_parser, parse_evaluation_args
from scripts.evaluation.loop import evaluate
from util.errors import InputError, run_script
from util.files import sha256
from util.flag_types import folder_name, whole_number

OWN_VIDEOS = Preset(Path(), {}, Protocol(Given.FIRST, short_side=480), ANY_VIDEO_MEMORY_FRAMES)


def main() -> None:
    """Parse the flags and evaluate."""
    example = "python -m scripts.eval_videos --preset mose --root ../MOSE --output output/mose"
    parser = make_evaluation_parser(__doc__, example, memory_frames=None)
    add_data_flags(parser)
    args = parse_evaluation_args(parser)
    preset = OWN_VIDEOS if args.preset is None else PRESETS[args.preset]
    complete_places(args, preset)
    if args.max_memory_frames is None:
        args.max_memory_frames = preset.memory_frames
    protocol = chosen_protocol(args, preset.protocol)
    videos = folder_videos(args.images, args.masks, protocol, args.subset, args.meta)
    evaluate(
        videos,
        args,
        script="eval_videos",
        data=args.images,
        about=f"{len(videos)} videos of {args.images}. {describe_protocol(protocol, args)}",
        zip_folder=preset.zip_folder if args.zip_folder is None else args.zip_folder,
        masks=str(args.masks.resolve()),
        given=protocol.given.value,
        size=protocol.short_side,
        published_resizing=protocol.published_resizing,
        meta=None if args.meta is None else sha256(args.meta),
    )


def add_data_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of data and protocol."""
    group = parser.add_argument_group("data and protocol")
    add = group.add_argument
    add("--images", type=Path, help="folder with a folder of pictures per video")
    add("--masks", type=Path, help="folder with a folder of label maps per video, named after the pictures")
    add("--preset", choices=PRESETS, help="benchmark that sets folders and protocol; other flags change them")
    roots = ", ".join(str(preset.root) for preset in PRESETS.values())
    add("--root", type=Path, help=f"root of the preset's data (default: {roots})")
    add("--split", help="split of the preset (default: the one for validation)")
    add("--subset", type=Path, help="file of videos to take, a name per line (default: all with masks)")
    add("--meta", type=Path, help="meta.json of YouTubeVOS: write masks of the listed frames only")
    size = "limit of the shorter side for the network; 0 for no limit (default: that of the preset, else 480)"
    add("--size", type=whole_number, help=size)
    given = group.add_mutually_exclusive_group()
    given.add_argument("--late_objects", action="store_true", help="give the first mask of each object")
    given.add_argument("--all_masks", action="store_true", help="give all masks, later ones as corrections")
    add("--zip_folder", type=folder_name, help="folder around the videos in the --zip (default: by preset)")


def complete_places(args: argparse.Namespace, preset: Preset) -> None:
    """Fill in the preset's folders; raise InputError when folders are unknown or missing."""
    if args.preset is None:
        if args.root is not None or args.split is not None:
            raise InputError("--root and --split belong to a preset: give --preset too.")
        if args.images is None or args.masks is None:
            raise InputError("give --images and --masks, or the --preset of a benchmark.")
        return
    split = next(iter(preset.splits)) if args.split is None else args.split
    if split not in preset.splits:
        raise InputError(f"--preset {args.preset} has no split {split}: give {' or '.join(preset.splits)}.")
    root, folders = args.root or preset.root, preset.splits[split]
    if args.subset is None and args.masks is None and folders.subset is not None:
        args.subset = root / folders.subset
    args.images = args.images or root / folders.images
    args.masks = args.masks or root / folders.masks
    for folder in (args.images, args.masks):
        if not folder.is_dir():
            raise InputError(f"there is no folder {folder}: point --root to the data of {args.preset}.")


def chosen_protocol(args: argparse.Namespace, protocol: Protocol) -> Protocol:
    """Return a protocol with the changes of the flags."""
    if args.late_objects or args.all_masks:
        protocol = replace(protocol, given=Given.LATE if args.late_objects else Given.ALL)
    return protocol if args.size is None else replace(protocol, short_side=args.size or None)


def describe_protocol(protocol: Protocol, args: argparse.Namespace) -> str:
    """Return a sentence on the protocol."""
    size = "as they are"
    if protocol.short_side is not None:
        verb = "resized" if protocol.published_resizing else "reduced"
        size = f"{verb} to a shorter side of {protocol.short_side}"
    memory = f"at most {args.max_memory_frames} frames" if args.max_memory_frames else "no limit"
    written = "all frames" if args.meta is None else f"the frames listed in {args.meta}"
    start = "" if protocol.first_frame else " from the first object on"
    return (
        f"Given: {protocol.given.value}; frames {size}; masks of {written}{start}; "
        f"permanent memory: {memory}."
    )


if __name__ == "__main__":
    run_script(main)
