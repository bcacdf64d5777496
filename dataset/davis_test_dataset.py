"""The DAVIS benchmarks: which frames and masks belong to each video."""

from dataclasses import replace
from pathlib import Path

from dataset.image_io import list_images
from dataset.video import Video
from util.errors import InputError

RESOLUTION = "480p"


def davis_2016(root: Path) -> list[Video]:
    """Return the videos of DAVIS 2016 val: one object each, all labels merged.

    The list of videos is `ImageSets/2016/val.txt` (a name per line), else the official
    `ImageSets/480p/val.txt` (image and mask path per line), else every folder there is.
    """
    images = _image_folder(root)
    names = _names_listed(root / "ImageSets/2016/val.txt") or _names_listed(root / "ImageSets/480p/val.txt")
    if not names:
        names = sorted(folder.name for folder in images.iterdir() if folder.is_dir())
    return [replace(_video(root, name), merge_labels=True) for name in names]


def _image_folder(root: Path) -> Path:
    images = root / "JPEGImages" / RESOLUTION
    if not images.is_dir():
        raise InputError(f"there is no folder {images}: point --davis to a DAVIS data set.")
    return images


def _names_listed(path: Path) -> list[str]:
    """Return the video names of a list file in order, or none when there is no such file.

    A line is a name, or paths such as `/JPEGImages/480p/dog/00000.jpg /Annotations/...`.
    """
    if not path.is_file():
        return []
    lines = [line.split()[0] for line in path.read_text().splitlines() if line.strip()]
    return list(dict.fromkeys(Path(line).parent.name if "/" in line else line for line in lines))


def _video(root: Path, name: str) -> Video:
    """Return a video whose objects are all given on its first frame."""
    folder = root / "JPEGImages" / RESOLUTION / name
    frames = list_images(folder)
    if not frames:
        raise InputError(f"there are no frames in {folder}: put the video's pictures there.")
    annotations = {path.stem: path for path in list_images(root / "Annotations" / RESOLUTION / name)}
    if frames[0].stem not in annotations:
        raise InputError(
            f"video {name} has no mask of its first frame {frames[0].name}: put {frames[0].stem}.png "
            f"into {root / 'Annotations' / RESOLUTION / name}."
        )
    return Video(name, frames, {0: annotations[frames[0].stem]}, annotations)
