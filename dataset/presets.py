"""Presets of benchmarks: folders, protocol, and form of the archive for the server; see docs/DATA.md."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dataset.davis_test_dataset import DAVIS, RESOLUTION, SPLITS_2017
from dataset.video_folders import Given, Protocol
from dataset.yv_test_dataset import YOUTUBE_VOS, youtube_folders
from util.data_roots import DAVIS_2017, YOUTUBE

LONG_VIDEO_MEMORY = 50  # frames in memory; without a limit, long videos become slower and slower


@dataclass(frozen=True)
class Folders:
    """Folders of a split below the root: pictures, masks, and the file that lists the videos, if any."""

    images: str
    masks: str
    subset: str | None = None


@dataclass(frozen=True)
class Preset:
    """A benchmark."""

    root: Path  # default folder of the data
    splits: Mapping[str, Folders]  # folders of each split; the first split is the default
    protocol: Protocol  # protocol of the evaluation
    memory_frames: int = 0  # limit of the permanent memory; 0 for none
    zip_folder: str = ""  # folder around the videos in the archive for the server; empty for none


def _plain(folder: str) -> Folders:
    return Folders(f"{folder}/JPEGImages", f"{folder}/Annotations")


def _davis(folder: str, listing: str) -> Folders:
    images, masks = (f"{folder}/{kind}/{RESOLUTION}" for kind in ("JPEGImages", "Annotations"))
    return Folders(images, masks, f"{folder}/{listing}")


PRESETS = {
    "mose": Preset(
        Path("../MOSE"), {"valid": _plain("valid")}, Protocol(Given.FIRST, first_frame=True, short_side=480)
    ),
    "lvos": Preset(
        Path("../LVOS"),
        {split: _plain(split) for split in ("val", "test")},
        Protocol(Given.LATE, short_side=480),
        LONG_VIDEO_MEMORY,
        "Annotations",
    ),
    "long_videos": Preset(
        Path("../long_video_set"),
        {split: _plain(split) for split in ("long_video", "long_video_x3")},
        Protocol(Given.FIRST, first_frame=True),
        LONG_VIDEO_MEMORY,
    ),
    "youtube": Preset(
        YOUTUBE,
        {split: Folders(*youtube_folders(split)) for split in ("valid", "test")},
        YOUTUBE_VOS,
        zip_folder="Annotations",
    ),
    "davis17": Preset(DAVIS_2017, {split: _davis(*folders) for split, folders in SPLITS_2017.items()}, DAVIS),
}
