"""Resizes pictures and masks on disk to a given shorter side.

Frames are decoded with OpenCV and resized with PyTorch's antialiased bicubic filter: the same numbers as
Pillow's within rounding, several times as fast. A JPEG is decoded at 1/2, 1/4 or 1/8 of its size while that
is at least `MARGIN` times the wanted size; nearer to it the decoder's filter would change the result.
"""

import shutil
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional

from dataset.image_io import image_size, opened, read_image
from dataset.masks.readers import LARGEST_LABEL, read_labels, read_palette
from dataset.masks.writer import write_mask
from dataset.video import working_size
from util.background import prefetch
from util.errors import InputError
from util.files import atomic_path, remove_leftovers
from util.progress import FrameProgress

MARGIN = 2.25
QUALITY = 95  # of JPEG
REDUCED = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}
JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"
MASK_MODES = {"1", "L", "P"}
DEEP_MODES = {"I", "I;16"}  # Pillow's names for 16 bits
LISTED = 5  # damaged pictures named in the error message


@dataclass(frozen=True)
class Job:
    """One file to resize.

    Attributes:
        source: picture, or mask (see `is_mask`).
        target: path of the result, in the same format.
        like: picture of a mask, whose size decides; None decides by `source`.
        area: whether to average pictures and grey masks over the area of each pixel. Otherwise pictures are
            filtered bicubically, and masks take the nearest pixel.
    """

    source: Path
    target: Path
    like: Path | None = None
    area: bool = False


def check_apart(source: Path, target: Path) -> None:
    """Raise InputError when one of two folders lies in the other, so that results would join their source."""
    inner, outer = target.resolve(), source.resolve()
    if inner.is_relative_to(outer) or outer.is_relative_to(inner):
        raise InputError(f"{target} lies in {source} or around it: give another folder for the results.")


def is_mask(path: Path) -> bool:
    """Return whether a file holds labels: a PNG with a palette or one channel, and no label above 255."""
    if path.suffix.lower() != ".png":
        return False
    with opened(path) as image:
        if image.mode in DEEP_MODES:
            return int(np.asarray(image).max()) <= LARGEST_LABEL
        return image.mode in MASK_MODES


def reduction(height: int, width: int, size: tuple[int, int]) -> int:
    """Return the largest of 8, 4, 2, 1 by which a JPEG may be shrunk while it is decoded."""
    ratio = min(height, width) / min(size)
    return next((factor for factor in (8, 4, 2) if ratio >= MARGIN * factor), 1)


def read_bgr(path: Path, factor: int = 1) -> NDArray[np.uint8]:
    """Read a picture as stored (EXIF data are ignored), `H x W x 3` in OpenCV's order of channels.

    Args:
        path: path of the picture.
        factor: number by which the size of a JPEG is divided while it is decoded: 1, 2, 4 or 8.

    Raises:
        InputError: the picture is missing or damaged.
    """
    flags = REDUCED.get(factor, cv2.IMREAD_COLOR) | cv2.IMREAD_IGNORE_ORIENTATION
    data = np.fromfile(path, np.uint8)
    if data[:2].tobytes() == JPEG_START and data[-2:].tobytes() != JPEG_END:
        read_image(path)  # raises when it is cut off: OpenCV would fill the rest with grey
    try:
        picture = cv2.imdecode(data, flags) if data.size else None
    except cv2.error:  # larger than OpenCV reads
        picture = None
    if picture is None:
        raise InputError(f"{path} cannot be read as a picture (damaged, or another format).")
    return picture


def bicubic(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize `H x W x 3` to (height, width) with the antialiased bicubic filter."""
    planes = torch.from_numpy(picture).permute(2, 0, 1)[None]
    resized = functional.interpolate(planes, size=size, mode="bicubic", antialias=True)
    return cv2.merge(list(resized[0].numpy()))  # planes to pixels, faster than NumPy's copy


def resize_picture(job: Job, size: tuple[int, int]) -> None:
    """Write a picture at (height, width)."""
    is_jpeg = job.source.suffix.lower() in (".jpg", ".jpeg")
    if job.area:
        resized = cv2.resize(read_bgr(job.source), size[::-1], interpolation=cv2.INTER_AREA)
        resized = resized[..., 0] if is_mask(job.source) else resized
    else:
        factor = reduction(*image_size(job.source), size) if is_jpeg else 1
        resized = bicubic(read_bgr(job.source, factor), size)
    options = [cv2.IMWRITE_JPEG_QUALITY, QUALITY] if is_jpeg else []
    good, data = cv2.imencode(job.target.suffix, resized, options)
    if not good:
        raise InputError(f"pictures cannot be written as {job.target.suffix} ({job.source}).")
    with atomic_path(job.target) as temporary:
        data.tofile(temporary)


def resize_mask(job: Job, size: tuple[int, int]) -> None:
    """Write a mask at (height, width), by nearest neighbour and with its palette."""
    labels = Image.fromarray(read_labels(job.source)).resize(size[::-1], Image.Resampling.NEAREST)
    write_mask(job.target, np.asarray(labels), read_palette(job.source))


def run_job(job: Job, shorter: int) -> str | None:
    """Resize one file, unless the result exists; return the reason when it cannot be read."""
    try:
        size = working_size(image_size(job.like or job.source), shorter)
        if _is_done(job.target, size):
            return None
        if image_size(job.source) == size:
            with atomic_path(job.target) as temporary:
                shutil.copyfile(job.source, temporary)
        elif is_mask(job.source) and not (job.area and read_palette(job.source) is None):
            resize_mask(job, size)
        else:
            resize_picture(job, size)
    except InputError as error:
        return str(error)
    return None


def resize_all(jobs: list[Job], shorter: int, workers: int) -> None:
    """Resize files in threads; existing results stay.

    Args:
        jobs: files to resize.
        shorter: length of the shorter side in pixels.
        workers: number of threads.

    Raises:
        InputError: files could not be read; all others are resized.
    """
    for folder in {job.target.parent for job in jobs}:
        remove_leftovers(folder)
    for library in (torch.set_num_threads, cv2.setNumThreads):
        library(1)  # each file in one thread
    reasons = []
    with FrameProgress(len(jobs)) as bar:
        for reason in prefetch(partial(run_job, shorter=shorter), jobs, depth=2 * workers, threads=workers):
            reasons += [reason] if reason else []
            bar.advance("resizing")
    if reasons:
        more = f" (and {len(reasons) - LISTED} more)" if len(reasons) > LISTED else ""
        raise InputError(f"{len(reasons)} of {len(jobs)} failed: {' '.join(reasons[:LISTED])}{more}")


def _is_done(target: Path, size: tuple[int, int]) -> bool:
    """Return whether a result of the wanted size exists; files are written atomically."""
    with suppress(InputError):
        return target.is_file() and image_size(target) == size
    return False
