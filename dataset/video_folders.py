"""Videos in folders, `IMAGES/<video>/<frame>.jpg` and `MASKS/<video>/<frame>.png`, and protocols."""

import json
import logging
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np

from dataset.image_io import list_images, picture_size
from dataset.masks.readers import join_palettes, read_label_map
from dataset.video import Video
from dataset.video_files.frame_source import FOLDER_FPS, PictureFiles
from util.errors import InputError

log = logging.getLogger(__name__)


class Given(Enum):
    """The masks of a video that the engine gets."""

    FIRST = "the first mask"
    LATE = "each object's first mask"
    ALL = "all masks, later ones as corrections"


@dataclass(frozen=True)
class Protocol:
    """An evaluation protocol.

    Attributes:
        given: the masks that the engine gets. Unless it gets all masks, they are the ground truth as well.
        first_frame: whether the first frame must have a mask and every frame gets a result. Otherwise the
            results begin at the first mask that shows an object.
        short_side: limit of the shorter side for the network; larger frames are reduced to it. None for no
            limit.
        published_resizing: whether to resize all frames to that shorter side, without antialiasing, as the
            published YouTubeVOS evaluation does.
        fps: frames per second, for videos of the results.
    """

    given: Given = Given.FIRST
    first_frame: bool = False
    short_side: int | None = None
    published_resizing: bool = False
    fps: float = FOLDER_FPS


def folder_videos(
    images: Path, masks: Path, protocol: Protocol, subset: Path | None = None, meta: Path | None = None
) -> list[Video]:
    """Return the videos that have a folder of masks, in order of their names.

    Args:
        images: folder with a folder of pictures per video.
        masks: folder with a folder of label maps per video, named after the pictures.
        protocol: evaluation protocol.
        subset: file that lists the videos to take, a name per line, in order; None takes all.
        meta: `meta.json` of YouTubeVOS, which lists the frames that get a result; None for all frames.

    Raises:
        InputError: a folder, video, frame or mask is missing.
    """
    with_pictures, names = _video_folders(images), _video_folders(masks)
    if subset is not None:
        names = read_names(subset)
        if not names:
            raise InputError(f"there is no list of videos {subset}: give a file with a name per line.")
        unknown = [name for name in names if name not in with_pictures]
        if unknown:
            raise InputError(
                f"{subset} lists {unknown[0]}, which has no folder in {images} (videos without a folder: "
                f"{len(unknown)})."
            )
    elif without := set(with_pictures) - set(names):
        log.info("%d videos of %s are left out: they have no masks in %s.", len(without), images, masks)
    listed = {} if meta is None else _listed_frames(meta, names)
    for name in names:
        _check_masks_have_frames(images / name, masks / name)
    return [open_video(images / name, masks / name, protocol, listed.get(name)) for name in names]


def open_video(
    images: Path, annotations: Path, protocol: Protocol, written: frozenset[str] | None = None
) -> Video:
    """Return one video, from the first frame that gets a result on.

    Args:
        images: folder of pictures.
        annotations: folder of label maps, named after the pictures.
        protocol: evaluation protocol.
        written: names of the frames that get a result; None for all.

    Raises:
        InputError: there are no frames or no masks, or a mask that the protocol needs is missing.
    """
    frames = _frames(images)
    masks = {path.stem: path for path in list_images(annotations)}
    labelled = {index: masks[path.stem] for index, path in enumerate(frames) if path.stem in masks}
    if protocol.first_frame and 0 not in labelled:
        raise InputError(
            f"video {images.name} has no mask of its first frame {frames[0].name}: put {frames[0].stem}.png "
            f"into {annotations}."
        )
    if not labelled:
        raise InputError(f"no mask in {annotations} is named after a frame of {images}.")
    if written is not None and (unknown := written - {path.stem for path in frames}):
        raise InputError(f"{images} has no frame {min(unknown)}, for which a mask is to be written.")
    with_objects = (index for index, path in labelled.items() if read_label_map(path).any())
    start = 0 if protocol.first_frame else next(with_objects, min(labelled))
    late = protocol.given is Given.LATE
    new = first_appearances([labelled.get(index) for index in range(len(frames))]) if late else {}
    given = set(labelled) if protocol.given is Given.ALL else {start, *new}
    given_masks = {index - start: labelled[index] for index in sorted(given) if index >= start}
    return Video(
        name=images.name,
        frames=PictureFiles(frames[start:], fps=protocol.fps),
        masks=given_masks,
        given_labels={index - start: labels for index, labels in new.items()},
        palette=join_palettes(given_masks.values()),
        ground_truth={} if protocol.given is Given.ALL else masks,
        short_side=_short_side(protocol, frames[0]),
        antialias=not protocol.published_resizing,
        written=written,
    )


def read_names(path: Path) -> list[str]:
    """Return the video names of a list file in order; an empty list when the file does not exist.

    A line is a name, or paths such as `/JPEGImages/480p/dog/00000.jpg /Annotations/...`.

    Raises:
        InputError: the file is not text.
    """
    if not path.is_file():
        return []
    try:
        text = path.read_text(encoding="utf-8-sig")  # may begin with a byte order mark
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is no text in UTF-8: give a list with the name of a video per line."
        ) from error
    lines = [re.split(r"\s+(?=/)", line.strip())[0] for line in text.splitlines() if line.strip()]
    return list(dict.fromkeys(Path(line).parent.name if "/" in line else line for line in lines))


def first_appearances(annotations: Sequence[Path | None]) -> dict[int, frozenset[int]]:
    """Return for each frame the labels that appear first on it; other frames have no entry.

    Args:
        annotations: path of each frame's label map, or None.
    """
    known: set[int] = set()
    new: dict[int, frozenset[int]] = {}
    for index, path in enumerate(annotations):
        if path is not None:
            labels = frozenset(np.flatnonzero(np.bincount(read_label_map(path).ravel())).tolist())
            labels -= known | {0}
            if labels:
                new[index] = labels
                known |= labels
    return new


def _short_side(protocol: Protocol, frame: Path) -> int | None:
    side = protocol.short_side
    if side is None or protocol.published_resizing or min(picture_size(frame)) > side:
        return side
    return None


def _video_folders(root: Path) -> list[str]:
    """Return the names of the videos' folders in a folder; raise InputError when there are none."""
    if not root.is_dir():
        raise InputError(f"there is no folder {root}: give one that holds a folder for each video.")
    names = sorted(path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if any(list_images(root / name) for name in names):
        return names
    if list_images(root):
        raise InputError(f"{root} holds pictures, and not a folder for each video: give the folder above it.")
    raise InputError(f"there are no videos in {root}: it needs a folder of pictures for each.")


def _frames(folder: Path) -> list[Path]:
    frames = list_images(folder)
    if not frames:
        raise InputError(f"there are no frames in {folder}: put the video's pictures there.")
    return frames


def _check_masks_have_frames(images: Path, annotations: Path) -> None:
    frames = {path.stem for path in _frames(images)}
    strangers = [path for path in list_images(annotations) if path.stem not in frames]
    if strangers:
        raise InputError(
            f"{strangers[0]} has no frame in {images} ({len(strangers)} such masks): "
            "its objects would be lost; add the frame, or remove the mask."
        )


def _listed_frames(meta: Path, names: Collection[str]) -> Mapping[str, frozenset[str]]:
    """Return the frames that a `meta.json` lists for each video, for all its objects together."""
    try:
        videos = json.loads(meta.read_text())["videos"]
        found = {
            name: frozenset(frame for each in videos[name]["objects"].values() for frame in each["frames"])
            for name in names
            if name in videos
        }
    except FileNotFoundError as error:
        raise InputError(f"there is no file {meta}.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{meta} is no meta.json of YouTubeVOS, which lists the frames of each object of each video."
        ) from error
    absent = [name for name in names if not found.get(name)]
    if absent:
        raise InputError(f"{meta} lists no frame of {absent[0]} ({len(absent)} such videos).")
    return found
