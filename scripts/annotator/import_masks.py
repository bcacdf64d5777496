"""Import of masks from files."""

import tempfile
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import cast

import numpy as np
from numpy.typing import NDArray

from dataset.image_io import IMAGE_SUFFIXES
from dataset.video_dataset import open_user_video
from dataset.video_files.frame_source import Selection
from scripts.annotator.pictures import Pictures
from util.errors import InputError

ANY_SIZE = 1 << 30  # shorter side beyond which frames would be reduced


def read_masks(
    files: Sequence[tuple[str, bytes]], frame: int, pictures: Pictures
) -> dict[int, NDArray[np.uint8]]:
    """Read masks of any kind that `propagate_video` takes, as label maps `H x W` by frame.

    Args:
        files: name and content of each file.
        frame: frame index for a single file not named after a frame.
        pictures: the video.

    Raises:
        InputError: one is no mask, belongs to no frame or is of another size, or they show no object.
    """
    if not files:
        raise InputError("there are no files: choose PNGs named after their frames.")
    names = [PurePath(name.replace("\\", "/")).name.lstrip(".") for name, _ in files]
    if not all(PurePath(name).suffix.lower() in IMAGE_SUFFIXES for name in names):
        raise InputError("masks are picture files: choose PNGs named after their frames.")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(f"{twice[0]} is there twice: choose one file for each name.")
    given = names[0]
    if len(files) == 1 and not _is_of_a_frame(PurePath(given).stem, pictures.source.names):
        names = [f"{pictures.source.names[frame]}{PurePath(given).suffix}"]
    with tempfile.TemporaryDirectory() as folder:
        for name, (_, content) in zip(names, files, strict=True):
            Path(folder, name).write_bytes(content)
        try:
            video = open_user_video(pictures.path, Path(folder), short_side=ANY_SIZE).forward
            frames = cast(Selection, video.frames)
            masks = {frames.indices[index]: video.read_labels(path) for index, path in video.masks.items()}
        except InputError as error:  # its text names the copies
            text = str(error).replace(f"{folder}/", "").replace(folder, "the files").replace(names[0], given)
            raise InputError(text) from error
    for index, labels in masks.items():
        if labels.shape != pictures.size:
            raise InputError(
                f"the mask of frame {index} is {labels.shape[1]} x {labels.shape[0]}, the video "
                f"{pictures.size[1]} x {pictures.size[0]}: give masks of the video's size."
            )
    return masks


def _is_of_a_frame(stem: str, names: Sequence[str]) -> bool:
    numbers = {int(name) for name in names if name.isdecimal()}
    known = {unicodedata.normalize("NFC", name) for name in names}
    return unicodedata.normalize("NFC", stem) in known or (stem.isdecimal() and int(stem) in numbers)
