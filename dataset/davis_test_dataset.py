"""The videos of the DAVIS benchmarks."""

from dataclasses import replace
from pathlib import Path

from dataset.masks.readers import read_merged
from dataset.video import Video
from dataset.video_folders import Given, Protocol, open_video, read_names
from util.errors import InputError

RESOLUTION = "480p"
DAVIS = Protocol(first_frame=True)
SPLITS_2017 = {  # folder and list of each split
    "val": ("trainval", "ImageSets/2017/val.txt"),
    "testdev": ("test-dev", "ImageSets/2017/test-dev.txt"),
}


def davis_2016(root: Path) -> list[Video]:
    """Return the videos of DAVIS 2016 val: one object each, all labels merged to 255.

    The list of videos is `ImageSets/2016/val.txt` (a name per line), else the official
    `ImageSets/480p/val.txt` (image and mask path per line), else all folders.
    """
    images = root / "JPEGImages" / RESOLUTION
    if not images.is_dir():
        raise InputError(f"there is no folder {images}: point --davis to DAVIS 2016.")
    names = read_names(root / "ImageSets/2016/val.txt") or read_names(root / "ImageSets/480p/val.txt")
    if not names:
        names = sorted(folder.name for folder in images.iterdir() if folder.is_dir())
    return [_video(root, name, merge=True) for name in names]


def davis_2017(root: Path, split: str, late_objects: bool = False) -> list[Video]:
    """Return the videos of DAVIS 2017: several objects, all given on the first frame.

    Args:
        root: folder of `trainval` and `test-dev`.
        split: "val" or "testdev".
        late_objects: whether to give each object that the first annotation lacks on the first frame annotated
            with it. This is not DAVIS's protocol.
    """
    folder, listing = SPLITS_2017[split]
    names = read_names(root / folder / listing)
    if not names:
        raise InputError(
            f"there is no list of videos {root / folder / listing}: point --davis to DAVIS 2017."
        )
    return [_video(root / folder, name, merge=False, late_objects=late_objects) for name in names]


def davis_trainval(root: Path) -> Path:
    """Return the folder of DAVIS 2017's trainval set below a root: `2017/trainval`, or `trainval`."""
    direct = root / "trainval"
    return direct if direct.is_dir() else root / "2017/trainval"


def _video(root: Path, name: str, merge: bool, late_objects: bool = False) -> Video:
    """Return a video whose objects are given on its first frame, or where they first appear."""
    video = open_video(
        root / "JPEGImages" / RESOLUTION / name,
        root / "Annotations" / RESOLUTION / name,
        replace(DAVIS, given=Given.LATE) if late_objects else DAVIS,
    )
    return replace(video, palette=None, read_labels=read_merged) if merge else video
