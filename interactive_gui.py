"""Show where points or a region of one picture are in another, or annotate a video in the browser.

Two windows show the correspondences of --src_image and --tar_image, or of --frames. --click or --mask write
files instead. --video or --images start the annotator, with the flags of `python -m scripts.annotate`.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dataset.image_io import list_images
from dataset.masks.readers import read_merged
from dataset.video_files.frame_source import natural_order
from model import load_network
from model.correspondence import Correspondence, encode_source, encode_target
from scripts.correspondence.results import Selection, look_up, read_shown, write_results
from scripts.correspondence.windows import CorrespondenceGui, check_display
from scripts.evaluation.flags import add_network_flags, point
from util.device import set_up_device
from util.errors import InputError, run_script
from util.flag_types import positive_float, script_parser


def parse_args() -> argparse.Namespace:
    """Parse the flags of correspondences."""
    parser = script_parser(__doc__, "python interactive_gui.py --src_image A.jpg --tar_image B.jpg")
    add_video_flags(parser)
    add = parser.add_argument_group("pictures").add_argument
    add("--src_image", type=Path, help="source picture")
    add("--tar_image", type=Path, help="target picture; it may have another size")
    add("--frames", type=Path, help="folder of pictures; choose source and target with the arrow keys")
    add = parser.add_argument_group("files instead of windows").add_argument
    points = "points in the source picture, in pixels from the top left"
    add("--click", type=point, nargs="+", action="extend", metavar="X,Y", help=points)
    add("--mask", type=Path, help="PNG of the source's size; the region is where labels are above 0")
    add = parser.add_argument_group("network and results").add_argument
    add_network_flags(add)
    sharper = "temperature of the softmax; a lower one gives a sharper map (default: %(default)s)"
    add("--temperature", type=positive_float, default=1.0, help=sharper)
    output = Path("output/correspondence")
    add("--output", type=Path, default=output, help="folder of views and matches (default: %(default)s)")
    return parser.parse_args()


def add_video_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that name a video to annotate."""
    group = parser.add_argument_group("annotation in the browser (more flags: python -m scripts.annotate -h)")
    add = group.add_mutually_exclusive_group().add_argument
    add("--video", type=Path, help="video file to annotate")
    add("--images", type=Path, help="folder of pictures to annotate")


def annotate_video(arguments: Sequence[str]) -> bool:
    """Start the annotator when the command line names a video; return whether it does."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    add_video_flags(parser)
    args, others = parser.parse_known_args(arguments)
    video = args.video or args.images
    if video is None:
        return False
    from scripts import annotate  # imports a web server

    annotate.main([str(video), *others])
    return True


def main() -> None:
    """Parse the flags; write files, open the windows, or start the annotator."""
    if annotate_video(sys.argv[1:]):
        return
    args = parse_args()
    if args.click is not None or args.mask is not None:
        write_files(args)
    else:
        open_windows(args)


def write_files(args: argparse.Namespace) -> None:
    """Write the answer to --click or --mask, without a display."""
    source_path, target_path = chosen_pair(args)
    if args.click is not None and args.mask is not None:
        raise InputError("--click and --mask exclude each other: give one of them.")
    source, target = read_shown(source_path), read_shown(target_path)
    if args.mask is not None:
        selection = Selection(region=checked_region(args.mask, source.size))
    else:
        height, width = source.size
        for x, y in args.click:
            if not (0 <= x <= width - 1 and 0 <= y <= height - 1):
                raise InputError(
                    f"--click {x:g},{y:g} lies outside {source_path}, which is {width} x {height}: "
                    f"give X from 0 to {width - 1} and Y from 0 to {height - 1}."
                )
        selection = Selection(points=tuple((x, y) for x, y in args.click))

    network = load_network(args.model, set_up_device(args.device, args.no_tf32))
    correspondence = Correspondence(
        encode_source(network, source.picture), encode_target(network, target.picture)
    )
    answer = look_up(correspondence, selection, args.temperature)
    write_results(args.output / "views", source, target, selection, answer, args.temperature)
    for match in answer.matches:
        print(f"best match ({match.x:.1f}, {match.y:.1f}), score {match.score:.3g}")
    print(f"Written: {args.output / 'views.png'} and views.json")


def open_windows(args: argparse.Namespace) -> None:
    """Open the two windows."""
    if args.frames is None:
        frames = chosen_pair(args)
    elif args.src_image is not None or args.tar_image is not None:
        raise InputError("--frames takes the place of --src_image and --tar_image: leave them out.")
    elif args.output.resolve() == args.frames.resolve():
        raise InputError(f"--output {args.output} is the folder of --frames: give another one.")
    else:
        frames = sorted(list_images(args.frames), key=natural_order)
        if not frames:
            raise InputError(f"there are no pictures in {args.frames}: give a folder of frames.")
    for path in frames[:2]:  # fail before the windows open
        read_shown(path)
    check_display()
    network = load_network(args.model, set_up_device(args.device, args.no_tf32))
    CorrespondenceGui(network, frames, args.output, args.temperature, args.frames is not None).run()


def chosen_pair(args: argparse.Namespace) -> list[Path]:
    """Return the source and the target picture."""
    if args.src_image is None or args.tar_image is None:
        raise InputError("two pictures are needed: give --src_image and --tar_image.")
    return [args.src_image, args.tar_image]


def checked_region(path: Path, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the region of a mask; raise InputError when it is empty or not of `size` (H, W)."""
    region = read_merged(path) > 0
    if region.shape != size:
        raise InputError(
            f"mask {path} is {region.shape[1]} x {region.shape[0]}, the source {size[1]} x {size[0]}: "
            "give a mask of the source's size."
        )
    if not region.any():
        raise InputError(f"mask {path} is empty: paint the region with any label above 0.")
    return region


if __name__ == "__main__":
    run_script(main)
