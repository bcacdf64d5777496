"""The DAVIS benchmarks: which frames and masks belong to each video."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dataset.frame_source import PictureFiles
from dataset.image_io import joined_palette, list_images, read_label_map, read_merged
from dataset.video import Video
from util.errors import InputError

RESOLUTION = "480p"
SPLITS_2017 = {  # folder and list of each split
    "val": ("trainval", "ImageSets/2017/val.txt"),
    "testdev": ("test-dev", "ImageSets/2017/test-dev.txt"),
}


def davis_2016(root: Path) -> list[Video]:
    """Return the videos of DAVIS 2016 val: one object each, all labels merged to 255.

    The list of videos is `ImageSets/2016/val.txt` (a name per line), else the official
    `ImageSets/480p/val.txt` (image and mask path per line), else every folder there is.
    """
    images = root / "JPEGImages" / RESOLUTION
    if not images.is_dir():
        raise InputError(f"there is no folder {images}: point --davis to DAVIS 2016.")
    names = names_listed(root / "ImageSets/2016/val.txt") or names_listed(root / "ImageSets/480p/val.txt")
    if not names:
        names = sorted(folder.name for folder in images.iterdir() if folder.is_dir())
    return [_video(root, name, merge=True) for name in names]


def davis_2017(root: Path, split: str, late_objects: bool = False) -> list[Video]:
    """Return the videos of DAVIS 2017: several objects, all given on the first frame.

    Args:
        root: holds `trainval` and `test-dev`.
        split: "val" or "testdev".
        late_objects: also give each object that the first annotation lacks, on the first frame that is
            annotated with it. DAVIS does not, but videos in its layout may need it.
    """
    folder, listing = SPLITS_2017[split]
    names = names_listed(root / folder / listing)
    if not names:
        raise InputError(
            f"there is no list of videos {root / folder / listing}: point --davis to DAVIS 2017."
        )
    return [_video(root / folder, name, merge=False, late_objects=late_objects) for name in names]


def davis_trainval(root: Path) -> Path:
    """Return the folder of DAVIS 2017's trainval set below a root: `2017/trainval`, or `trainval`."""
    direct = root / "trainval"
    return direct if direct.is_dir() else root / "2017/trainval"


def names_listed(path: Path) -> list[str]:
    """Return the video names of a list file in order, or none when there is no such file.

    A line is a name, or paths such as `/JPEGImages/480p/dog/00000.jpg /Annotations/...`.

    Raises:
        InputError: the file is no text.
    """
    if not path.is_file():
        return []
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors begin files with a mark
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is no text in UTF-8: give a list with the name of a video per line."
        ) from error
    lines = [re.split(r"\s+(?=/)", line.strip())[0] for line in text.splitlines() if line.strip()]
    return list(dict.fromkeys(Path(line).parent.name if "/" in line else line for line in lines))


def first_appearances(annotations: Sequence[Path | None]) -> dict[int, frozenset[int]]:
    """Return the labels that each frame is the first to have, for those frames that have any.

    Args:
        annotations: a label map for each frame, or None.
    """
    known: set[int] = set()
    new: dict[int, frozenset[int]] = {}
    for index, path in enumerate(annotations):
        if path is not None:
            labels = frozenset(np.unique(read_label_map(path)).tolist()) - known - {0}
            if labels:
                new[index] = labels
                known |= labels
    return new


def _video(root: Path, name: str, merge: bool, late_objects: bool = False) -> Video:
    """Return a video whose objects are given on its first frame, or where they first appear."""
    folder = root / "JPEGImages" / RESOLUTION / name
    frames = list_images(folder)
    if not frames:
        raise InputError(f"there are no frames in {folder}: put the video's pictures there.")
    mask_folder = root / "Annotations" / RESOLUTION / name
    annotations = {path.stem: path for path in list_images(mask_folder)}
    first = annotations.get(frames[0].stem)
    if first is None:
        raise InputError(
            f"video {name} has no mask of its first frame {frames[0].name}: put {frames[0].stem}.png "
            f"into {mask_folder}."
        )
    new_labels = first_appearances([annotations.get(frame.stem) for frame in frames]) if late_objects else {}
    masks = {0: first} | {index: annotations[frames[index].stem] for index in new_labels}
    return Video(
        name=name,
        frames=PictureFiles(frames),
        masks=masks,
        given_labels=new_labels,
        palette=None if merge else joined_palette([first, *(masks[index] for index in sorted(new_labels))]),
        ground_truth=annotations,
        read_labels=read_merged if merge else read_label_map,
    )
