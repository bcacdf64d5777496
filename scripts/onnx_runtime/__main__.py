"""Carry masks through a folder of pictures by exported graphs, without PyTorch."""

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from dataset.masks.writer import write_mask
from scripts.onnx_runtime import pictures
from scripts.onnx_runtime.engine import Engine
from scripts.onnx_runtime.graphs import Graphs
from util.errors import InputError, run_script
from util.flag_types import positive_int, whole_number
from util.palette import voc_palette

FRAME_SUFFIXES = {".jpg", ".jpeg", ".png"}
VOID = 255  # no object, in paletted masks


def main() -> None:
    """Parse the flags and propagate."""
    parser = argparse.ArgumentParser(prog="python -m scripts.onnx_runtime", description=__doc__)
    add = parser.add_argument
    add("--graphs", type=Path, required=True, help="folder that scripts.export_onnx wrote")
    add("--input", type=Path, required=True, help="folder of jpg or png pictures, in order of their names")
    add(
        "--masks",
        type=Path,
        required=True,
        help="a PNG for the first frame, or a folder of PNGs named after frames",
    )
    add("--output", type=Path, required=True, help="folder for the masks, one paletted PNG a frame")
    add("--size", type=positive_int, default=480, help="shorter side for the network (default: %(default)s)")
    add("--mem_every", type=positive_int, default=5, help="remember every n-th frame (default: %(default)s)")
    add(
        "--max_memory_frames",
        type=whole_number,
        default=50,
        help="keep at most this many of them; 0 for all (default: %(default)s)",
    )
    add("--no_previous", action="store_true", help="do not remember the last frame for the next one too")
    add(
        "--provider",
        default="CPUExecutionProvider",
        help="what onnxruntime computes with (default: %(default)s)",
    )
    propagate(parser.parse_args())


def propagate(args: argparse.Namespace) -> None:
    """Check what the flags ask for, and do it."""
    frames = pictures_in(args.input, FRAME_SUFFIXES)
    masks = masks_of_frames(args.masks, frames)
    frames = frames[min(map(frames.index, masks)) :]
    check_output(args, frames)
    engine = Engine(
        Graphs(args.graphs, [args.provider]),
        mem_every=args.mem_every,
        max_memory_frames=args.max_memory_frames or None,
        remember_previous=not args.no_previous,
    )
    seconds = 0.0
    for path in frames:
        picture = read(path, "RGB")
        mask = read_labels(masks[path], picture) if path in masks else None
        start = time.perf_counter()
        labels = segmented(engine, picture, mask, args.size)
        seconds += time.perf_counter() - start
        write_mask(args.output / f"{path.stem}.png", labels, voc_palette())
    print(f"{len(frames)} frames in {seconds:.1f} s ({len(frames) / seconds:.2f} FPS): {args.output}")


def segmented(
    engine: Engine, picture: NDArray[np.uint8], mask: NDArray[Any] | None, short_side: int
) -> NDArray[Any]:
    """Return the labels `H x W` of the next frame, which goes through the network at `short_side`.

    Args:
        engine: of this video.
        picture: RGB, `H x W x 3`.
        mask: labels `H x W` given on it.
        short_side: pixels of the shorter side; a smaller frame stays as it is.
    """
    size = (picture.shape[0], picture.shape[1])
    image = pictures.normalise(picture, engine.graphs.mean, engine.graphs.std)
    if min(size) > short_side:
        # the aspect is kept, and the longer side truncated
        reduced = (side * short_side // min(size) for side in size)
        working = (next(reduced), next(reduced))
        image = pictures.reduce_frame(image, working)
        mask = None if mask is None else pictures.reduce_labels(mask, working)
    return engine.label_map(engine.step(image, mask), size)


def pictures_in(folder: Path, suffixes: set[str]) -> list[Path]:
    """Return the pictures of a folder in order of their names; raise InputError when there is none."""
    found = sorted(folder.glob("[!.]*")) if folder.is_dir() else []
    found = [path for path in found if path.suffix.lower() in suffixes]
    if not found:
        raise InputError(f"there are no pictures ({', '.join(sorted(suffixes))}) in a folder {folder}.")
    return found


def masks_of_frames(masks: Path, frames: list[Path]) -> dict[Path, Path]:
    """Return the mask files by frame; raise InputError when one belongs to no frame."""
    if masks.is_file():
        return {frames[0]: masks}
    by_stem = {frame.stem: frame for frame in frames}
    files = pictures_in(masks, {".png"})
    strangers = [file for file in files if file.stem not in by_stem]
    if strangers:
        raise InputError(
            f"{strangers[0]} is not named after a frame: name it as one, such as {frames[0].stem}.png."
        )
    return {by_stem[file.stem]: file for file in files}


def check_output(args: argparse.Namespace, frames: list[Path]) -> None:
    """Make sure that no result replaces a file; raise InputError where one would."""
    for path in frames:
        result = args.output / f"{path.stem}.png"
        if result.exists():
            raise InputError(f"{result} exists: remove it, or give another folder as --output.")


def read(path: Path, mode: str | None = None) -> NDArray[Any]:
    """Read a picture, as it is or converted to one of Pillow's modes; raise InputError when it cannot be."""
    try:
        with Image.open(path) as image:
            return np.asarray(image if mode is None else image.convert(mode))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read as a picture (damaged, or another format): {error}"
        ) from error


def read_labels(path: Path, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Read the labels `H x W` of a paletted or grey PNG; raise InputError for any other, or a wrong size."""
    labels = read(path)
    if labels.ndim != 2 or labels.dtype != np.uint8:
        raise InputError(f"{path} is neither a paletted nor a grey picture of 8 bits: save it as one.")
    if labels.shape != picture.shape[:2]:
        raise InputError(
            f"{path} is not of its frame's size: give a mask of {picture.shape[1]} x {picture.shape[0]}."
        )
    return np.where(labels == VOID, 0, labels).astype(np.uint8)


if __name__ == "__main__":
    run_script(main)
