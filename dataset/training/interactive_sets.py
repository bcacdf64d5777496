"""Training sets of the scribble-to-mask and fusion networks."""

import logging
from pathlib import Path

from dataset.davis_test_dataset import RESOLUTION, davis_trainval
from dataset.training.fusion_dataset import FusionDataset, find_fusion_videos
from dataset.training.s2m_dataset import LVISPictures, S2MDataset, StaticPictures
from dataset.training.sets import DataSet, TrainingSet, find_sets, find_static_pictures, layout
from util.data_roots import DEFAULT_ROOTS
from util.errors import InputError

log = logging.getLogger(__name__)

STATIC_REPEATS = 2  # draws from each static picture per epoch; one from each object of LVIS
LVIS_FILES = ("lvis_v1_train.json", "train2017")
FUSION_DATA = ("bl", "davis")  # folder of each stage below --fusion_root


def s2m_training_set(
    static_root: Path | None, lvis_root: Path | None, crop_size: int, seed: int
) -> TrainingSet:
    """Return the training set of the scribble-to-mask network; one of the two folders is enough.

    Args:
        static_root: folder with fss, DUTS-TR, ...; None for the default folder, here and below.
        lvis_root: folder with lvis_v1_train.json and train2017.
        crop_size: side of a sample in pixels.
        seed: seed of the run.

    Raises:
        InputError: both folders are missing, one that the user named is missing, or one is incomplete.
    """
    static, lvis = static_root or DEFAULT_ROOTS["static_root"], lvis_root or DEFAULT_ROOTS["lvis_root"]
    found = [
        DataSet("static pictures", static, "--static_root", static_root is not None, "two of three parts"),
        DataSet("LVIS", lvis, "--lvis_root", lvis_root is not None, "one of three parts"),
    ]
    there = find_sets(found)
    parts: list[S2MDataset] = []
    if static in there:
        parts.append(StaticPictures(find_static_pictures(static_root) * STATIC_REPEATS, crop_size, seed))
    if lvis in there:
        annotations, images = (lvis / name for name in LVIS_FILES)
        if not images.is_dir():
            raise InputError(f"there is no {images}: put the pictures of LVIS v1 (COCO's train2017) there.")
        parts.append(LVISPictures(annotations, images, crop_size, seed))
        log.info("%s: %d objects of LVIS.", annotations, len(parts[-1]))
    return TrainingSet(parts)


def fusion_training_set(
    stage: int,
    fusion_root: Path | None,
    bl_root: Path | None,
    davis_root: Path | None,
    crop_size: int,
    seed: int,
) -> FusionDataset:
    """Return the training set of a stage of fusion.

    Args:
        stage: 0 (BL30K) or 1 (DAVIS).
        fusion_root: folder with `bl` or `davis`, which hold the runs of `scripts/generate_fusion.py`, or the
            folder of the runs; None for the default folder, here and below.
        bl_root: videos that the data of stage 0 were made from.
        davis_root: DAVIS 2017, for stage 1.
        crop_size: side of a sample in pixels.
        seed: seed of the run.

    Raises:
        InputError: there are no generated data.
    """
    if stage == 0:
        folders = layout(bl_root or DEFAULT_ROOTS["bl_root"])
    else:
        folders = layout(davis_trainval(davis_root or DEFAULT_ROOTS["davis_root"]), RESOLUTION)
    root = fusion_root or DEFAULT_ROOTS["fusion_root"]
    generated = root / FUSION_DATA[stage]
    videos = find_fusion_videos(generated if generated.is_dir() else root, *folders)
    log.info("%s: %d videos.", root, len(videos))
    return FusionDataset(videos, crop_size, seed)
