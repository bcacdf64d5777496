"""Propagate masks through a folder of pictures by exported graphs, without PyTorch."""

import argparse
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dataset.masks.writer import write_mask
from scripts.onnx_runtime.engine import Engine, Floats, Graphs
from util.errors import InputError, run_script
from util.flag_types import add_shared, script_parser, whole_number
from util.palette import voc_palette

VOID = 255  # no object, in paletted masks


def main() -> None:
    """Parse the flags and propagate."""
    example = "python -m scripts.onnx_runtime --graphs export --input frames --masks first.png --output masks"
    parser = script_parser(__doc__, example)
    add = parser.add_argument_group("files").add_argument
    add_shared(add, "graphs")
    add("--input", type=Path, required=True, help="folder of jpg or png pictures, in order of their names")
    add_shared(add, "masks")
    add("--output", type=Path, required=True, help="folder of the masks, one paletted PNG per frame")
    add = parser.add_argument_group("network and memory").add_argument
    add_shared(add, "size", "mem_every", "no_previous")
    limit = "limit of frames in the permanent memory; 0 for no limit (default: %(default)s)"
    add("--max_memory_frames", type=whole_number, default=50, help=limit)
    propagate(parser.parse_args())


def propagate(args: argparse.Namespace) -> None:
    """Propagate the masks and write one PNG per frame, from the first frame with a mask on."""
    frames = files_in(args.input, ".jpg", ".jpeg", ".png")
    masks = {path.stem: path for path in files_in(args.masks, ".png")} if args.masks.is_dir() else {}
    masks = masks or {frames[0].stem: args.masks}
    stems = [path.stem for path in frames]
    if strangers := [path for stem, path in masks.items() if stem not in stems]:
        raise InputError(
            f"{strangers[0]} is not named after a frame: name it as one, such as {stems[0]}.png."
        )
    frames = frames[min(map(stems.index, masks)) :]
    results = [args.output / f"{path.stem}.png" for path in frames]
    if existing := [path for path in results if path.exists()]:
        raise InputError(f"{existing[0]} exists: remove it, or give another folder as --output.")
    engine = Engine(
        Graphs(args.graphs),
        mem_every=args.mem_every,
        max_memory_frames=args.max_memory_frames or None,
        remember_previous=not args.no_previous,
    )
    for path, result in zip(frames, results, strict=True):
        picture = read(path)
        mask = read(masks[path.stem], picture.shape[:2]) if path.stem in masks else None
        try:
            labels = segmented(engine, picture, mask, args.size)
        except MemoryError as error:
            raise InputError(
                f"the memory is too small at {path} ({len(engine.labels)} objects): give fewer objects, or a "
                "smaller --size or --max_memory_frames."
            ) from error
        write_mask(result, labels, voc_palette())
    print(f"{len(frames)} frames: {args.output}")


def segmented(
    engine: Engine, picture: NDArray[np.uint8], mask: NDArray[np.uint8] | None, short_side: int
) -> NDArray[np.uint8]:
    """Return the labels `H x W` of the next frame, an RGB picture `H x W x 3` with or without a label map.

    Its shorter side is reduced to `short_side` for the network.
    """
    metadata, size = engine.graphs.metadata, picture.shape[:2]
    mean, std = (np.array(metadata[name].split(","), np.float32) for name in ("mean", "std"))
    image = ((picture.astype(np.float32) / np.float32(255) - mean) / std).transpose(2, 0, 1)
    if min(size) > short_side:  # the aspect is kept, and the longer side truncated
        working = tuple(side * short_side // min(size) for side in size)
        image = resized(image, working, Image.Resampling.BICUBIC)
        if mask is not None:  # each pixel takes the label of one pixel
            rows, columns = (
                (np.arange(new, dtype=np.float32) * np.float32(old / new)).astype(np.intp)
                for old, new in zip(size, working, strict=True)
            )
            mask = mask[rows[:, None], columns]
    prob = resized(engine.step(image, mask), size, Image.Resampling.BILINEAR)
    return np.array([0, *engine.labels], np.uint8)[prob.argmax(axis=0)]


def resized(planes: Floats, size: tuple[int, ...], how: Image.Resampling) -> Floats:
    """Resize planes `N x H x W` to a size (H, W); where they shrink, pixels are averaged."""
    if planes.shape[1:] == size:
        return planes
    return np.stack([np.asarray(Image.fromarray(each).resize((size[1], size[0]), how)) for each in planes])


def files_in(folder: Path, *suffixes: str) -> list[Path]:
    """Return the files of a folder with a suffix, frame2 before frame10; raise InputError without any."""
    paths = [path for path in folder.glob("[!.]*") if path.suffix.lower() in suffixes]
    found = sorted(paths, key=lambda path: re.sub(r"\d+", lambda number: number[0].zfill(20), path.stem))
    if not found:
        raise InputError(f"there are no pictures ({', '.join(suffixes)}) in a folder {folder}.")
    return found


def read(path: Path, size: tuple[int, ...] | None = None) -> NDArray[np.uint8]:
    """Read an RGB picture `H x W x 3`, or with a size (H, W) a label map; refuse other files."""
    try:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB") if size is None else image)
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a picture: {error}") from error
    if size is None:
        return pixels
    if pixels.ndim != 2 or pixels.dtype != np.uint8:
        raise InputError(f"{path} is neither a paletted nor a grey picture of 8 bits: save it as one.")
    if pixels.shape != size:
        raise InputError(f"{path} is not of its frame's size: give a mask of {size[1]} x {size[0]}.")
    return np.where(pixels == VOID, np.uint8(0), pixels)


if __name__ == "__main__":
    run_script(main)
