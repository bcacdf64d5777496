"""Archives of masks for the servers of benchmarks, with a check of the masks."""

import logging
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dataset.image_io import opened
from dataset.masks.readers import read_labels
from dataset.video import Video
from util.errors import InputError
from util.files import atomic_path
from util.palette import full_palette

log = logging.getLogger(__name__)


def check_submission(video: Video, folder: Path) -> None:
    """Check that the masks of a video are complete and have the right size, palette and labels.

    Args:
        video: video with the given masks.
        folder: folder of its masks, `<frame>.png`.

    Raises:
        InputError: a mask is missing, has another size or palette, or a label that was never given.
    """
    height, width, _ = video.frames.read(0).shape
    given = {0}.union(*(np.unique(video.read_given(i, (height, width))).tolist() for i in video.masks))
    palette = None if video.palette is None else full_palette(video.palette)
    for name in video.results:
        path = folder / f"{name}.png"
        if not path.is_file():
            raise _refused(path, "is missing")
        with opened(path) as image:
            if image.size != (width, height):
                raise _refused(path, f"is {image.width} x {image.height}, its frame {width} x {height}")
            if image.getpalette() != palette:
                raise _refused(path, "has another palette than the masks given")
        strangers = set(np.unique(read_labels(path)).tolist()) - given
        if strangers:
            raise _refused(path, f"has the label {min(strangers)}, which was never given")


def write_submission(path: Path, videos: Sequence[Video], output: Path, folder: str) -> None:
    """Write the archive of checked masks atomically.

    Args:
        path: path of the archive.
        videos: videos of the masks.
        output: folder of the masks, `<video>/<frame>.png`.
        folder: folder around the videos in the archive; empty for none.
    """
    count = 0
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for video in videos:
            for name in video.results:  # PNGs are compressed already
                archive.write(output / video.name / f"{name}.png", Path(folder, video.name, f"{name}.png"))
                count += 1
    log.info("%s: %d masks of %d videos, %s.", path, count, len(videos), _form(folder))


def _form(folder: str) -> str:
    return f"in the folder {folder}" if folder else "the videos' folders at the top"


def _refused(path: Path, why: str) -> InputError:
    return InputError(
        f"mask {path} {why}, so no archive is written: remove it, then run the same command again."
    )
