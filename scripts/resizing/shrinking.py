"""Resizes pictures and masks on disk to a given shorter side.

OpenCV decodes and PyTorch resizes: the numbers are those of Pillow within rounding, at twice the speed.
"""

import shutil
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image

from dataset.image_io import image_size, open_image, read_image
from dataset.masks.readers import read_labels, read_palette
from dataset.masks.writer import write_mask
from dataset.video import working_size
from util.background import prefetch
from util.errors import InputError
from util.files import atomic_path, remove_leftovers
from util.lock import lock_folder
from util.progress import FrameProgress

QUALITY = 95  # of JPEG
JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"
LISTED = 5  # files named in the error message


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


def is_mask(path: Path) -> bool:
    """Return whether a file is a PNG with a palette or one channel of 8 bits."""
    with open_image(path) as image:
        return image.format == "PNG" and image.mode in {"1", "L", "P"}


def read_bgr(path: Path) -> NDArray[np.uint8]:
    """Read a picture as stored (EXIF data are ignored), `H x W x 3` in OpenCV's order of channels.

    Raises:
        InputError: the picture is missing or damaged.
    """
    data = np.fromfile(path, np.uint8)
    if data[:2].tobytes() == JPEG_START and data[-2:].tobytes() != JPEG_END:
        read_image(path)  # raises when it is cut off: OpenCV would fill the rest with grey
    try:
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION) if data.size else None
    except cv2.error:  # larger than OpenCV reads
        picture = None
    if picture is None:
        raise InputError(f"{path} cannot be read as a picture (damaged, or another format).")
    return picture


def bicubic(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize `H x W x 3` to (height, width) with PyTorch's antialiased bicubic filter."""
    planes = torch.from_numpy(picture).permute(2, 0, 1)[None]
    resized = F.interpolate(planes, size=size, mode="bicubic", antialias=True)
    return cv2.merge(list(resized[0].numpy()))  # planes to pixels, faster than NumPy's copy


def resize_picture(job: Job, size: tuple[int, int]) -> None:
    """Write a picture at (height, width)."""
    if job.area:
        resized = cv2.resize(read_bgr(job.source), size[::-1], interpolation=cv2.INTER_AREA)
        resized = resized[..., 0] if is_mask(job.source) else resized
    else:
        resized = bicubic(read_bgr(job.source), size)
    good, data = cv2.imencode(job.target.suffix, resized, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not good:
        raise InputError(f"pictures cannot be written as {job.target.suffix} ({job.source}).")
    with atomic_path(job.target) as temporary:
        data.tofile(temporary)


def run_job(job: Job, shorter: int) -> str | None:
    """Resize one file, unless the result exists; return the reason when it cannot be read."""
    try:
        size = working_size(image_size(job.like or job.source), shorter)
        with suppress(InputError):  # a damaged result is made again
            if job.target.is_file() and image_size(job.target) == size:
                return None
        if image_size(job.source) == size:
            with atomic_path(job.target) as temporary:
                shutil.copyfile(job.source, temporary)
        elif is_mask(job.source) and not (job.area and read_palette(job.source) is None):
            labels = Image.fromarray(read_labels(job.source)).resize(size[::-1], Image.Resampling.NEAREST)
            write_mask(job.target, np.asarray(labels), read_palette(job.source))
        else:
            resize_picture(job, size)
    except InputError as error:
        return str(error)
    return None


def resize_all(jobs: list[Job], source: Path, target: Path, shorter: int, workers: int) -> None:
    """Resize the files of a folder in threads; existing results stay.

    Args:
        jobs: files to resize.
        source: folder of all files.
        target: folder of all results.
        shorter: length of the shorter side in pixels.
        workers: number of threads.

    Raises:
        InputError: one folder lies in the other, or files could not be read; all others are resized.
    """
    inner, outer = target.resolve(), source.resolve()
    if inner.is_relative_to(outer) or outer.is_relative_to(inner):
        raise InputError(f"{target} lies in {source} or around it: give another folder for the results.")
    for library in (torch.set_num_threads, cv2.setNumThreads):
        library(1)  # each file in one thread
    reasons = []
    with lock_folder(target, "resizing"), FrameProgress(len(jobs)) as bar:
        for folder in {job.target.parent for job in jobs}:
            remove_leftovers(folder)
        for reason in prefetch(partial(run_job, shorter=shorter), jobs, depth=2 * workers, threads=workers):
            reasons += [reason] if reason else []
            bar.advance("resizing")
    if reasons:
        raise InputError(f"{len(reasons)} of {len(jobs)} failed: {' '.join(reasons[:LISTED])}")
    print(f"Done: {target}")
