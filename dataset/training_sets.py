"""Which data each training stage uses, and where it lies."""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from torch.utils.data import ConcatDataset

from dataset.davis_test_dataset import RESOLUTION, names_listed
from dataset.static_dataset import StaticDataset, check_objects, class_folders, flat_folder
from dataset.training_sample import Sample
from dataset.vos_dataset import VOSDataset
from util.errors import InputError
from util.stages import FIRST_JUMP

log = logging.getLogger(__name__)

YOUTUBE_STEP = 5  # YouTubeVOS annotates every fifth frame
DAVIS_REPEATS = 5

# folder of --static_root, how its pictures are found, draws from each per epoch
STATIC_FOLDERS: tuple[tuple[str, Callable[[Path], list[tuple[Path, Path]]], int], ...] = (
    ("fss", class_folders, 1),
    ("DUTS-TR", flat_folder, 1),
    ("DUTS-TE", flat_folder, 1),
    ("ecssd", flat_folder, 1),
    ("BIG_small", flat_folder, 5),
    ("HRSOD_small", flat_folder, 5),
)


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
        """Change the largest gap between frames of videos; pictures have none. Call it between epochs."""
        for part in self.parts:
            if isinstance(part, VOSDataset):
                part.set_max_jump(max_jump)


def stage_dataset(
    stage: int,
    *,
    static_root: Path = Path("../static"),
    bl_root: Path = Path("../BL30K"),
    yv_root: Path = Path("../YouTube"),
    davis_root: Path = Path("../DAVIS/2017"),
    yv_subset: Path | None = None,
    max_jump: int = FIRST_JUMP,
    seed: int = 0,
    crop_size: int = 384,
) -> TrainingSet:
    """Find the training data of a stage, and log which folders are there and which are not.

    Args:
        stage: 0 (pictures), 1 (BL30K or its like) or 2 (YouTubeVOS and DAVIS).
        static_root: folder with fss, DUTS-TR, ...; stage 0.
        bl_root: folder with JPEGImages and Annotations; stage 1.
        yv_root: folder with train_480p; stage 2.
        davis_root: folder with trainval; stage 2.
        yv_subset: file with the YouTubeVOS videos to use, a name per line; None uses all.
        max_jump: the largest gap between frames at the start.
        seed: of the run.
        crop_size: of the frames, a side.

    Raises:
        InputError: none of the stage's folders is there, or one is not as it should be or shows no object.
    """
    if stage == 0:
        pictures = static_pictures(static_root, "stage 0 needs pictures at --static_root")
        return TrainingSet([StaticDataset(pictures, crop_size, seed)])
    videos = partial(VOSDataset, max_jump=max_jump, crop_size=crop_size, seed=seed)
    if stage == 1:
        present_folders([bl_root / "JPEGImages"], f"stage 1 needs BL30K, or {_SYNTHETIC}, at --bl_root")
        return TrainingSet([videos(*_layout(bl_root), is_bl=True)])

    youtube, davis = yv_root / "train_480p", davis_root / "trainval"
    present = present_folders(
        [youtube, davis], "stage 2 needs YouTubeVOS at --yv_root or DAVIS at --davis_root"
    )
    parts = []
    if youtube in present:
        subset = names_listed(yv_subset) if yv_subset is not None else None
        if yv_subset is not None and not subset:
            raise InputError(f"--yv_subset {yv_subset} names no video: give a file with a name per line.")
        parts.append(videos(*_layout(youtube), frame_step=YOUTUBE_STEP, subset=subset))
    if davis in present:
        listed = davis / "ImageSets/2017/train.txt"
        subset = names_listed(listed)
        if not subset:
            raise InputError(f"there is no list of training videos at {listed}: put DAVIS 2017's there.")
        images, masks = (root / RESOLUTION for root in _layout(davis))
        parts.append(videos(images, masks, subset=subset, part=1, repeats=DAVIS_REPEATS))
    return TrainingSet(parts)


_SYNTHETIC = "what scripts/make_synthetic_dataset.py makes"


def _layout(root: Path) -> tuple[Path, Path]:
    return root / "JPEGImages", root / "Annotations"


def static_pictures(root: Path, needed: str) -> list[tuple[Path, Path]]:
    """Gather all pictures under --static_root with their masks, those of small sets several times.

    Args:
        root: folder with fss, DUTS-TR, ...
        needed: what needs them, for the error message.

    Raises:
        InputError: there are none.
    """
    present = present_folders([root / name for name, _, _ in STATIC_FOLDERS], needed)
    pictures = []
    for name, find, repeats in STATIC_FOLDERS:
        if root / name in present:
            found = find(root / name)
            log.info("%s: %d pictures%s.", root / name, len(found), f", each {repeats} times" * (repeats > 1))
            check_objects(found, root / name)
            pictures += found * repeats
    if not pictures:
        raise InputError(
            f"the folders under {root} hold no picture x.jpg with a mask x.png: put them there, "
            "and no pictures as PNG, which would be taken for masks."
        )
    return pictures


def present_folders(folders: Sequence[Path], needed: str) -> set[Path]:
    """Return the folders that exist and log which; none is an error that says what is `needed`."""
    present = {folder for folder in folders if folder.is_dir()}
    for folder in folders:
        log.info("training data: %s is %s.", folder, "there" if folder in present else "not there")
    if not present:
        raise InputError(
            f"{needed}; looked for {', '.join(map(str, folders))}: see 'Training data' in README.md."
        )
    return present
