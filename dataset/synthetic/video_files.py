"""Writes rendered videos: pictures as JPEG, labels as paletted PNG."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from dataset.masks.writer import write_mask
from dataset.synthetic.scene import Rendered
from util.palette import voc_palette

JPEG_QUALITY = 92


def write_video(frames: Iterable[Rendered], images: Path, annotations: Path) -> None:
    """Write `00000.jpg`, ... and `00000.png`, ...; both folders appear when they are complete.

    Args:
        frames: frames in order.
        images: folder of the pictures, which appears last.
        annotations: folder of the labels.
    """
    folders = annotations, images
    unfinished = [folder.with_name(f".{folder.name}") for folder in folders]
    for folder in (*folders, *unfinished):  # of a run that was stopped
        shutil.rmtree(folder, ignore_errors=True)
    for folder in unfinished:
        folder.mkdir(parents=True)
    for number, frame in enumerate(frames):
        write_mask(unfinished[0] / f"{number:05}.png", frame.labels, voc_palette())
        Image.fromarray(frame.picture).save(unfinished[1] / f"{number:05}.jpg", quality=JPEG_QUALITY)
    for folder, hidden in zip(folders, unfinished, strict=True):
        hidden.rename(folder)
