"""Benchmarks as data: where each lies, its protocol and the form that its server takes; see docs/DATA.md."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dataset.davis_test_dataset import DAVIS, RESOLUTION, SPLITS_2017
from dataset.video_folders import Given, Protocol
from dataset.yv_test_dataset import YOUTUBE_VOS, youtube_folders
from util.data_roots import DAVIS_2017, YOUTUBE

LONG_VIDEO_MEMORY = 50  # frames: videos of thousands would get ever slower


@dataclass(frozen=True)
class Folders:
    """Where a split lies below the root: pictures, masks, and the list of videos if it has one."""

    images: str
    masks: str
    subset: str | None = None


@dataclass(frozen=True)
class Preset:
    """A benchmark.

    Attributes:
        root: default folder of its data.
        splits: by name; the first is the default.
        protocol: of the evaluation.
        memory_frames: limit on the permanent memory; 0 for none.
        zip_folder: around the videos' folders in the archive for the server; empty: they are at its top.
    """

    root: Path
    splits: Mapping[str, Folders]
    protocol: Protocol
    memory_frames: int = 0
    zip_folder: str = ""


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
