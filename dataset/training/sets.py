"""The training sets of the stages: which data they use, and where these are."""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from torch.utils.data import ConcatDataset

from dataset.davis_test_dataset import RESOLUTION, davis_trainval
from dataset.static_dataset import StaticDataset, check_objects, find_pairs
from dataset.training.s2m_dataset import S2MDataset
from dataset.training.sample import Sample
from dataset.video_folders import read_names
from dataset.vos_dataset import VOSDataset
from util.data_roots import DEFAULT_ROOTS
from util.errors import InputError
from util.stages import FIRST_JUMP

log = logging.getLogger(__name__)

YOUTUBE_STEP = 5  # YouTubeVOS annotates every fifth frame
DAVIS_REPEATS = 5

# Folders of --static_root: draws from each picture per epoch, and percentage of the samples of stage 0 in the
# published recipe.
STATIC_FOLDERS = {
    "fss": (1, 27),
    "DUTS-TR": (1, 28),
    "DUTS-TE": (1, 13),
    "ecssd": (1, 3),
    "BIG_small": (5, 2),
    "HRSOD_small": (5, 27),
}
PUBLISHED_SUBSET = Path(__file__).parents[2] / "util/yv_subset.txt"  # 3,464 videos; others have wrong masks
ALL_VIDEOS = Path("all")  # stands for all videos of YouTubeVOS, instead of a file of names

Pairs = list[tuple[Path, Path]]  # picture and mask
RootAndRepeats = tuple[str, int]  # the user's folder, and draws from each of its videos or pictures per epoch


class DataSet(NamedTuple):
    """A data set of a training."""

    name: str
    folder: Path
    flag: str  # flag that sets the root
    named: bool  # whether the user gave the flag
    share: str  # text on its share of the published recipe


class TrainingSet(ConcatDataset[Sample]):
    """The data sets of a training as one, with settings that change between epochs."""

    def __init__(self, parts: Sequence[StaticDataset | VOSDataset | S2MDataset]) -> None:
        super().__init__(parts)
        self.parts = parts

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, which changes the samples, also in persistent workers; call it between epochs."""
        for part in self.parts:
            part.set_epoch(epoch)

    def set_max_jump(self, max_jump: int) -> None:
        """Set the largest gap between frames of a sample; call it between epochs."""
        for part in self.parts:
            if isinstance(part, VOSDataset):
                part.set_max_jump(max_jump)


def stage_dataset(
    stage: int,
    *,
    static_root: Path | None = None,
    bl_root: Path | None = None,
    yv_root: Path | None = None,
    davis_root: Path | None = None,
    yv_subset: Path = PUBLISHED_SUBSET,
    videos: Sequence[RootAndRepeats] = (),
    pictures: Sequence[RootAndRepeats] = (),
    only_own: bool = False,
    max_jump: int = FIRST_JUMP,
    seed: int = 0,
    crop_size: int = 384,
) -> TrainingSet:
    """Return the training set of a stage, and log which data sets exist and which are missing.

    Args:
        stage: 0 (pictures), 1 (BL30K) or 2 (YouTubeVOS and DAVIS).
        static_root: folder with fss, DUTS-TR, ...; stage 0. None for the default folder, here and below.
        bl_root: folder with JPEGImages and Annotations; stage 1.
        yv_root: folder with train_480p; stage 2.
        davis_root: folder with 2017/trainval or trainval; stage 2.
        yv_subset: file with the names of the YouTubeVOS videos to use, one per line; `ALL_VIDEOS` for all.
        videos: the user's own folders with JPEGImages and Annotations; stage 2.
        pictures: the user's own folders of pictures with masks; stage 0.
        only_own: whether to leave out the published sets.
        max_jump: largest gap between the frames of a sample at the start.
        seed: seed of the run.
        crop_size: side of the frames in pixels.

    Raises:
        InputError: all data sets of the stage are missing, one that the user named is missing, or one is
            incomplete or shows no object.
    """
    if stage == 0:
        found = [] if only_own else find_static_pictures(static_root, bool(pictures))
        for name, repeats in pictures:
            found += _pictures(Path(name), repeats)
        return TrainingSet([StaticDataset(found, crop_size, seed)])
    make = partial(VOSDataset, max_jump=max_jump, crop_size=crop_size, seed=seed)
    if stage == 1:
        root = bl_root or DEFAULT_ROOTS["bl_root"]
        find_sets([DataSet("BL30K", root / "JPEGImages", "--bl_root", bl_root is not None, "all")])
        return TrainingSet([make(*layout(root), is_bl=True)])

    youtube = (yv_root or DEFAULT_ROOTS["yv_root"]) / "train_480p"
    davis = davis_trainval(davis_root or DEFAULT_ROOTS["davis_root"])
    published = [
        DataSet("YouTubeVOS", youtube, "--yv_root", yv_root is not None, "92 % of the samples"),
        DataSet("DAVIS 2017", davis, "--davis_root", davis_root is not None, "8 % of the samples"),
    ]
    there = set() if only_own else find_sets(published, bool(videos))
    parts = []
    if youtube in there:
        parts.append(
            make(*layout(youtube), frame_step=YOUTUBE_STEP, subset=_youtube_subset(yv_subset, youtube))
        )
    if davis in there:
        listed = davis / "ImageSets/2017/train.txt"
        subset = read_names(listed)
        if not subset:
            raise InputError(f"there is no list of training videos at {listed}: put DAVIS 2017's there.")
        parts.append(make(*layout(davis, RESOLUTION), subset=subset, part=1, repeats=DAVIS_REPEATS))
    for part, (own, repeats) in enumerate(videos, start=len(published)):
        parts.append(make(*own_video_folders(Path(own)), part=part, repeats=repeats))
        log.info("training data: %d videos of %s%s.", len(parts[-1].videos), own, _times(repeats))
    return TrainingSet(parts)


def _youtube_subset(path: Path, youtube: Path) -> list[str] | None:
    """Read the names of the videos to use; None for all."""
    if path == ALL_VIDEOS:
        return None
    names = read_names(path)
    if not names:
        raise InputError(
            f"--yv_subset {path} names no video: give a file with a name per line, or {ALL_VIDEOS}."
        )
    if not any((youtube / "Annotations" / name).is_dir() for name in names):
        raise InputError(
            f"{youtube / 'Annotations'} has none of the {len(names)} videos listed in {path}: "
            f"give --yv_subset {ALL_VIDEOS} for your own videos."
        )
    return names


def find_static_pictures(root: Path | None, optional: bool = False) -> Pairs:
    """Return the static pictures with their masks; those of small sets occur several times.

    Args:
        root: folder with fss, DUTS-TR, ...; None for the default folder.
        optional: whether the default folder may be missing.

    Raises:
        InputError: there are no pictures, or a mask is missing.
    """
    folder = root or DEFAULT_ROOTS["static_root"]
    there = find_sets(
        # the user names the root, not the folders in it: some of them are enough
        [
            DataSet(name, folder / name, "--static_root", False, f"{percent} % of the static pictures")
            for name, (_, percent) in STATIC_FOLDERS.items()
        ],
        optional and root is None,
    )
    return [
        pair
        for name, (repeats, _) in STATIC_FOLDERS.items()
        if folder / name in there
        for pair in _pictures(folder / name, repeats)
    ]


def _pictures(folder: Path, repeats: int) -> Pairs:
    """Return the pictures of a folder and of the folders in it, with their masks, each `repeats` times."""
    found = find_pairs(folder) if folder.is_dir() else []
    if not found:
        raise InputError(
            f"{folder} holds no picture x.jpg with a mask x.png: put them there, and no pictures as PNG, "
            "which would be taken for masks."
        )
    log.info("training data: %d pictures of %s%s.", len(found), folder, _times(repeats))
    check_objects(found, folder)
    return found * repeats


def _times(repeats: int) -> str:
    return f", each {repeats} times" * (repeats > 1)


def layout(root: Path, resolution: str = "") -> tuple[Path, Path]:
    """Return the folders of pictures and masks below a root, or their folders of one resolution."""
    return root / "JPEGImages" / resolution, root / "Annotations" / resolution


def own_video_folders(root: Path) -> tuple[Path, Path]:
    """Return the folders of pictures and masks below a root, in either export layout of the annotator.

    Raises:
        InputError: a folder is missing.
    """
    trainval = root / "trainval"  # layout of DAVIS
    folder = trainval if trainval.is_dir() else root
    folders = layout(folder, RESOLUTION if (folder / "JPEGImages" / RESOLUTION).is_dir() else "")
    for needed in folders:
        if not needed.is_dir():
            raise InputError(
                f"--videos {root} has no folder {needed}: it needs JPEGImages and Annotations, with a folder "
                "for each video in both."
            )
    return folders


def find_sets(sets: Sequence[DataSet], optional: bool = False) -> set[Path]:
    """Return the existing folders of data sets; log them, and warn of the missing ones.

    Args:
        sets: data sets to look for.
        optional: whether there is other data, so that default folders may be missing without a warning.

    Raises:
        InputError: all folders are missing, or one that the user named is missing.
    """
    there = {each.folder for each in sets if each.folder.is_dir()}
    if not there and not optional:
        wanted = " or ".join(dict.fromkeys(f"{each.name} at {each.flag}" for each in sets))
        raise InputError(
            f"there is nothing to train on: give {wanted}; "
            f"looked for {', '.join(str(each.folder) for each in sets)}."
        )
    for each in sets:
        if each.folder in there:
            log.info("training data: %s is there.", each.folder)
        elif each.named:
            raise InputError(f"{each.flag} holds no {each.name}: there is no folder {each.folder}.")
        elif there:
            log.warning(
                "training data: %s is not there (%s); it is about %s in the published recipe.",
                *(each.name, each.folder, each.share),
            )
    return there
