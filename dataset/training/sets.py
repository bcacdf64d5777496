"""Which data each training stage uses, and where it lies."""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from torch.utils.data import ConcatDataset

from dataset.davis_test_dataset import RESOLUTION, davis_trainval
from dataset.static_dataset import StaticDataset, check_objects, class_folders, flat_folder
from dataset.training.own_data import RootAndRepeats, layout, own_pictures, own_video_folders, times
from dataset.training.sample import Sample
from dataset.video_folders import names_listed
from dataset.vos_dataset import VOSDataset
from util.data_roots import DEFAULT_ROOTS
from util.errors import InputError
from util.stages import FIRST_JUMP

log = logging.getLogger(__name__)

YOUTUBE_STEP = 5  # YouTubeVOS annotates every fifth frame
DAVIS_REPEATS = 5

# Folder of --static_root, how its pictures are found, draws from each per epoch, and the percentage of the
# samples of stage 0 that come from it in the published recipe.
STATIC_FOLDERS: tuple[tuple[str, Callable[[Path], list[tuple[Path, Path]]], int, int], ...] = (
    ("fss", class_folders, 1, 27),
    ("DUTS-TR", flat_folder, 1, 28),
    ("DUTS-TE", flat_folder, 1, 13),
    ("ecssd", flat_folder, 1, 3),
    ("BIG_small", flat_folder, 5, 2),
    ("HRSOD_small", flat_folder, 5, 27),
)
PUBLISHED_SUBSET = Path(__file__).parents[2] / "util/yv_subset.txt"  # 3,464 videos; others have wrong masks
ALL_VIDEOS = Path("all")  # in place of a file: every video of YouTubeVOS


class DataSet(NamedTuple):
    """A data set that a training uses.

    Attributes:
        name: as users know it.
        folder: where its files lie.
        flag: names the folder above on the command line.
        named: whether the user gave the flag.
        share: its part of the published recipe, in words.
    """

    name: str
    folder: Path
    flag: str
    named: bool
    share: str


class TrainingSet(ConcatDataset[Sample]):
    """The data sets of a stage as one, with the settings that change from epoch to epoch."""

    def __init__(self, parts: Sequence[StaticDataset | VOSDataset]) -> None:
        super().__init__(parts)
        self.parts = parts

    def set_epoch(self, epoch: int) -> None:
        """Draw other samples from now on; workers that are kept see it. Call it between epochs."""
        for part in self.parts:
            part.set_epoch(epoch)

    def set_max_jump(self, max_jump: int) -> None:
        """Change the bound of the gaps between frames of videos; call it between epochs."""
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
    """Find the training data of a stage, and log which data sets are there and which are not.

    Args:
        stage: 0 (pictures), 1 (BL30K or its like) or 2 (YouTubeVOS and DAVIS).
        static_root: folder with fss, DUTS-TR, ...; stage 0. None, here and below: the default folder.
        bl_root: folder with JPEGImages and Annotations; stage 1.
        yv_root: folder with train_480p; stage 2.
        davis_root: folder with 2017/trainval or trainval; stage 2.
        yv_subset: file with the YouTubeVOS videos to use, a name per line; `ALL_VIDEOS` uses all.
        videos: the user's own folders with JPEGImages and Annotations; stage 2.
        pictures: the user's own folders of pictures with masks; stage 0.
        only_own: leave the published sets out, though they are there.
        max_jump: bound of the gaps between frames at the start.
        seed: of the run.
        crop_size: of the frames, a side.

    Raises:
        InputError: none of the stage's data sets is there, one that the user named is not, or one is not as
            it should be or shows no object.
    """
    if stage == 0:
        found = [] if only_own else static_pictures(static_root, bool(pictures))
        return TrainingSet([StaticDataset(found + own_pictures(pictures), crop_size, seed)])
    make = partial(VOSDataset, max_jump=max_jump, crop_size=crop_size, seed=seed)
    if stage == 1:
        root = bl_root or DEFAULT_ROOTS["bl_root"]
        find_sets([DataSet(_SYNTHETIC, root / "JPEGImages", "--bl_root", bl_root is not None, "all")])
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
        subset = names_listed(listed)
        if not subset:
            raise InputError(f"there is no list of training videos at {listed}: put DAVIS 2017's there.")
        parts.append(make(*layout(davis, RESOLUTION), subset=subset, part=1, repeats=DAVIS_REPEATS))
    for part, (own, repeats) in enumerate(videos, start=len(published)):
        parts.append(make(*own_video_folders(Path(own)), part=part, repeats=repeats))
        log.info("training data: %d videos of %s%s.", len(parts[-1].videos), own, times(repeats))
    return TrainingSet(parts)


def _youtube_subset(path: Path, youtube: Path) -> list[str] | None:
    """Read the names of the videos to use; None for all."""
    if path == ALL_VIDEOS:
        return None
    names = names_listed(path)
    if not names:
        raise InputError(
            f"--yv_subset {path} names no video: give a file with a name per line, or {ALL_VIDEOS}."
        )
    if not any((youtube / "Annotations" / name).is_dir() for name in names):
        raise InputError(
            f"{youtube / 'Annotations'} has none of the {len(names)} videos listed in {path}: "
            f"give --yv_subset {ALL_VIDEOS} for videos of your own."
        )
    return names


_SYNTHETIC = "BL30K, or what scripts.make_synthetic_dataset makes"


def static_pictures(root: Path | None, optional: bool = False) -> list[tuple[Path, Path]]:
    """Gather the static pictures with their masks, those of small sets several times.

    Args:
        root: folder with fss, DUTS-TR, ...; None: the default folder.
        optional: that default folder may be missing.

    Raises:
        InputError: there are none, or a mask is missing.
    """
    folder = root or DEFAULT_ROOTS["static_root"]
    there = find_sets(
        # the user names the root, not the folders in it: some of them are enough
        [
            DataSet(name, folder / name, "--static_root", False, f"{percent} % of the static pictures")
            for name, *_, percent in STATIC_FOLDERS
        ],
        optional and root is None,
    )
    pictures = []
    for name, find, repeats, _ in STATIC_FOLDERS:
        if folder / name in there:
            found = find(folder / name)
            log.info("%s: %d pictures%s.", folder / name, len(found), times(repeats))
            check_objects(found, folder / name)
            pictures += found * repeats
    if there and not pictures:
        raise InputError(
            f"the folders under {folder} hold no picture x.jpg with a mask x.png: put them there, "
            "and no pictures as PNG, which would be taken for masks."
        )
    return pictures


def find_sets(sets: Sequence[DataSet], optional: bool = False) -> set[Path]:
    """Return the folders of the data sets that are there; log these, and warn of the others.

    Args:
        sets: to look for.
        optional: there is other data, so all that the user did not name may be missing without a word.

    Raises:
        InputError: all are missing, or one that the user named is missing.
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
