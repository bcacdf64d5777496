"""First masks from clicks, boxes and words, for people who have no mask yet."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dataset.masks.readers import read_labels
from dataset.masks.writer import write_mask
from dataset.video_files.frame_source import open_source
from model.interactive.clicks import check_prompt
from model.interactive.promptable import check_models, is_here
from model.interactive.scribbled_clicks import point_segmenter
from model.interactive.words import WordFinder
from scripts.evaluation.flags import BOX, CLICK, FIND, UNCLICK
from scripts.evaluation.overlays import draw_masks
from util.errors import InputError
from util.files import atomic_path
from util.palette import voc_palette
from util.promptable import GRAB_CUT, MEGABYTES

MOST_OBJECTS = 255


@dataclass
class _Object:
    """The prompt of one object: points with labels (see `PointSegmenter`), or a word for several objects."""

    points: list[Sequence[float]]
    labels: list[int]
    word: str = ""


def write_first_masks(args: argparse.Namespace) -> Path:
    """Write the first masks that the flags ask for, and a JPEG of the frame with the masks drawn in.

    Returns:
        The path of the mask: in a folder beside the results, named after its frame.

    Raises:
        InputError: there is no such frame, object or model, nothing is found, or another mask is there and
            --overwrite is not given.
    """
    source = open_source(args.input)
    index = args.start if args.at is None else args.at
    if index >= len(source.names):
        last = len(source.names) - 1
        raise InputError(f"--at {index} is behind the last frame of {args.input}, {last}.")
    check_models(args.click_model, args.find_model)
    objects = _objects(args.prompts)
    picture = source.read(index)
    for each in objects:
        if not each.word:
            check_prompt(picture, each.points, each.labels, None)
    labels = _segmented(picture, objects, args.click_model, args.find_model)
    folder: Path = args.output.with_name(f"{args.output.name}_first_masks")
    path, shown = folder / f"{source.names[index]}.png", folder.with_suffix(".jpg")
    if path.is_file() and not args.overwrite and not np.array_equal(read_labels(path), labels):
        raise InputError(f"{path} is another mask: give --overwrite to replace it, or use it by --masks.")
    write_mask(path, labels, voc_palette())
    with atomic_path(shown) as temporary:
        Image.fromarray(draw_masks(picture, labels, voc_palette())).save(temporary)
    print(f"{labels.max()} objects on frame {index}: {path}, drawn in {shown}")
    return path


def _segmented(
    picture: NDArray[np.uint8], objects: Sequence[_Object], click_model: str, find_model: str
) -> NDArray[np.uint8]:
    """Return the label map of a frame `H x W x 3`; objects are numbered in order."""
    for name in [click_model] + [find_model] * any(each.word for each in objects):
        if name != GRAB_CUT and not is_here(name):
            print(f"fetching the weights of {name} ({MEGABYTES.get(name, '?')} MB), once")
    segmenter = point_segmenter(click_model)
    finder: WordFinder | None = None
    labels = np.zeros(picture.shape[:2], np.uint8)
    for each in objects:
        if each.word:
            finder = finder or WordFinder(segmenter, find_model)
            masks = finder.find(picture, each.word, labels > 0)
        else:
            masks = [segmenter.segment(picture, each.points, each.labels)]
        if not any(mask.any() for mask in masks):
            prompt = f"{FIND} {each.word}" if each.word else f"the clicks or box at {each.points}"
            raise InputError(f"nothing is found on the frame by {prompt}.")
        if int(labels.max()) + len(masks) > MOST_OBJECTS:
            raise InputError(f"there are more than {MOST_OBJECTS} objects, the limit of a mask.")
        for mask in masks:
            labels[mask] = labels.max() + 1
    return labels


def _objects(prompts: Sequence[tuple[str, Any]]) -> list[_Object]:
    """Return the objects that the prompts name, in order."""
    found: list[_Object] = []
    for flag, value in prompts:
        if flag == CLICK:
            found.append(_Object([*value], [1] * len(value)))
        elif flag == BOX:
            found.append(_Object([value[:2], value[2:]], [2, 3]))
        elif flag == FIND:
            found.append(_Object([], [], value))
        elif not found or found[-1].word:
            raise InputError(f"{UNCLICK} belongs to the object before it: give it after {CLICK} or {BOX}.")
        else:
            found[-1].points += value
            found[-1].labels += [0] * len(value)
    return found
