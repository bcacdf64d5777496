"""The user's own training data."""

import logging
from collections.abc import Sequence
from pathlib import Path

from dataset.davis_test_dataset import RESOLUTION
from dataset.static_dataset import check_objects, class_folders, flat_folder
from util.errors import InputError

log = logging.getLogger(__name__)

RootAndRepeats = tuple[str, int]  # folder, and draws from each of its videos or pictures per epoch


def layout(root: Path, resolution: str = "") -> tuple[Path, Path]:
    """Return the folders of pictures and masks below a root, or their folders of one resolution."""
    return root / "JPEGImages" / resolution, root / "Annotations" / resolution


def own_video_folders(root: Path) -> tuple[Path, Path]:
    """Return the folders of pictures and masks below a root, in either export layout of the annotator.

    Raises:
        InputError: a folder is missing.
    """
    trainval = root / "trainval"  # of DAVIS
    folder = trainval if trainval.is_dir() else root
    images, masks = layout(folder, RESOLUTION if (folder / "JPEGImages" / RESOLUTION).is_dir() else "")
    for needed in (images, masks):
        if not needed.is_dir():
            raise InputError(
                f"--videos {root} has no folder {needed}: it needs JPEGImages and Annotations, with a folder "
                "for each video in both."
            )
    return images, masks


def own_pictures(roots: Sequence[RootAndRepeats]) -> list[tuple[Path, Path]]:
    """Return the user's own pictures with their masks: `x.jpg` + `x.png` in each root or in folders in it.

    Raises:
        InputError: a root has no pictures, a mask is missing, or no mask shows an object.
    """
    pictures = []
    for root, repeats in roots:
        folder = Path(root)
        if not folder.is_dir():
            raise InputError(f"there is no folder {folder}: give --pictures one with pictures and masks.")
        found = flat_folder(folder) + class_folders(folder)
        if not found:
            raise InputError(f"--pictures {folder} holds no picture x.jpg with a mask x.png.")
        log.info("training data: %d pictures of %s%s.", len(found), folder, times(repeats))
        check_objects(found, folder)
        pictures += found * repeats
    return pictures


def times(repeats: int) -> str:
    """Return a text on how often each item of a folder is drawn per epoch; empty for once."""
    return f", each {repeats} times" * (repeats > 1)
