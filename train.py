"""Train the propagation network, one stage at a time: static pictures, BL30K, YouTubeVOS with DAVIS."""

import util.openmp  # noqa: F401, I001 - before PyTorch
import argparse

from torch.utils.data import default_collate

from dataset.training.sets import PUBLISHED_SUBSET, TrainingSet, stage_dataset
from model import PropagationNetwork
from model.checkpoint import load_weights
from model.resnet import imagenet_state_dict
from scripts.one_shot.from_scratch import initialise_from_scratch
from model.training.losses import PROPAGATION_BOOTSTRAP
from model.training.propagation_forward import PropagationForward
from scripts.training.pictures import draw_image_grid
from scripts.training.loop import Task, run_training
from util.errors import run_script
from util.hyper_para import parse_training_settings
from util.ranks import Ranks
from util.stages import STAGES, max_jump_at

SCRATCH_SAMPLES = 8  # largest number of samples that set batch-norm statistics without ImageNet weights


def main() -> None:
    """Train one stage."""
    run_training(parse_training_settings(), propagation_task)


def propagation_task(settings: argparse.Namespace, ranks: Ranks) -> Task:
    """Return the data, network and schedule of a stage."""
    stage = STAGES[settings.stage]
    dataset = stage_dataset(
        settings.stage,
        static_root=settings.static_root,
        bl_root=settings.bl_root,
        yv_root=settings.yv_root,
        davis_root=settings.davis_root,
        yv_subset=settings.yv_subset or PUBLISHED_SUBSET,
        videos=settings.videos,
        pictures=settings.pictures,
        only_own=settings.only_own,
        seed=settings.seed,
        crop_size=settings.crop_size,
    )
    network = PropagationNetwork(single_object=stage.objects == 1)
    return Task(
        title=f"Stage {settings.stage} ({'own data' if settings.only_own else stage.data})",
        dataset=dataset,
        forward=PropagationForward(network, settings.amp),
        initialise=lambda: initialise(network, dataset),
        load=lambda path: load_weights(network, path),
        bootstrap=PROPAGATION_BOOTSTRAP,
        picture=draw_image_grid,
        begin_epoch=lambda epoch, epochs: dataset.set_max_jump(max_jump_at(stage, epoch, epochs)),
    )


def initialise(network: PropagationNetwork, dataset: TrainingSet) -> None:
    """Initialise the encoders with ImageNet weights, or from scratch by the first samples of the data set."""
    imagenet = imagenet_state_dict()
    if imagenet is not None:
        network.load_imagenet(imagenet)
        return
    count = min(len(dataset), SCRATCH_SAMPLES)
    initialise_from_scratch(network, default_collate([dataset[i] for i in range(count)]))


if __name__ == "__main__":
    run_script(main)
