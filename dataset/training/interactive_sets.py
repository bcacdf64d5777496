"""Which data the scribble-to-mask and the fusion network are trained on, and where they lie."""

import logging
from collections.abc import Sequence
from pathlib import Path

from torch.utils.data import ConcatDataset

from dataset.davis_test_dataset import RESOLUTION, davis_trainval
from dataset.training.fusion_dataset import FusionDataset, fusion_videos
from dataset.training.s2m_dataset import S2MDataset
from dataset.training.s2m_pictures import LVISPictures, StaticPictures
from dataset.training.sample import Sample
from dataset.training.sets import DataSet, find_sets, static_pictures
from util.data_roots import DEFAULT_ROOTS
from util.errors import InputError

log = logging.getLogger(__name__)

STATIC_REPEATS = 2  # draws from each static picture, for one from each object of LVIS
LVIS_FILES = ("lvis_v1_train.json", "train2017")
FUSION_DATA = ("bl", "davis")  # folder of each stage below --fusion_root


class S2MTrainingSet(ConcatDataset[Sample]):
    """Static pictures and LVIS as one."""

    def __init__(self, parts: Sequence[S2MDataset]) -> None:
        super().__init__(parts)
        self.parts = parts

    def set_epoch(self, epoch: int) -> None:
        """Draw other samples from now on; workers that are kept see it. Call it between epochs."""
        for part in self.parts:
            part.set_epoch(epoch)


def s2m_training_set(
    static_root: Path | None, lvis_root: Path | None, crop_size: int, seed: int
) -> S2MTrainingSet:
    """Find the pictures for the scribble-to-mask network; one of the two folders is enough.

    Args:
        static_root: folder with fss, DUTS-TR, ...; None, here and below: the default folder.
        lvis_root: folder with lvis_v1_train.json and train2017.
        crop_size: of a sample, a side.
        seed: of the run.

    Raises:
        InputError: neither folder is there, one that the user named is not, or one is not as it should be.
    """
    static, lvis = static_root or DEFAULT_ROOTS["static_root"], lvis_root or DEFAULT_ROOTS["lvis_root"]
    there = find_sets(
        [
            DataSet(
                "static pictures", static, "--static_root", static_root is not None, "two of three parts"
            ),
            DataSet("LVIS", lvis, "--lvis_root", lvis_root is not None, "one of three parts"),
        ]
    )
    parts: list[S2MDataset] = []
    if static in there:
        parts.append(StaticPictures(static_pictures(static_root) * STATIC_REPEATS, crop_size, seed))
    if lvis in there:
        annotations, images = (lvis / name for name in LVIS_FILES)
        if not images.is_dir():
            raise InputError(f"there is no {images}: put the pictures of LVIS v1 (COCO's train2017) there.")
        parts.append(LVISPictures(annotations, images, crop_size, seed))
        log.info("%s: %d objects of LVIS.", annotations, len(parts[-1]))
    return S2MTrainingSet(parts)


def fusion_training_set(
    stage: int,
    fusion_root: Path | None,
    bl_root: Path | None,
    davis_root: Path | None,
    crop_size: int,
    seed: int,
) -> FusionDataset:
    """Find the generated data of a stage of fusion.

    Args:
        stage: 0 (BL30K) or 1 (DAVIS).
        fusion_root: see `generated_data`; None, here and below: the default folder.
        bl_root: the videos that the data of stage 0 were made from.
        davis_root: DAVIS 2017, for stage 1.
        crop_size: of a sample, a side.
        seed: of the run.

    Raises:
        InputError: there are none.
    """
    if stage == 0:
        root = bl_root or DEFAULT_ROOTS["bl_root"]
        layout = root / "JPEGImages", root / "Annotations"
    else:
        trainval = davis_trainval(davis_root or DEFAULT_ROOTS["davis_root"])
        layout = trainval / "JPEGImages" / RESOLUTION, trainval / "Annotations" / RESOLUTION
    generated = generated_data(fusion_root or DEFAULT_ROOTS["fusion_root"], stage)
    videos = fusion_videos(generated, *layout)
    log.info("%s: %d videos.", generated, len(videos))
    return FusionDataset(videos, crop_size, seed)


def generated_data(root: Path, stage: int) -> Path:
    """Return the folder that holds the runs of generate_fusion for a stage.

    Args:
        root: a folder with `bl` or `davis` and in them the runs, or the folder of the runs itself.
        stage: 0 (BL30K) or 1 (DAVIS).
    """
    both_stages = any((root / name).is_dir() for name in FUSION_DATA)
    return root / FUSION_DATA[stage] if both_stages or not root.is_dir() else root
