"""Train the scribble-to-mask network (S2M) on static pictures and LVIS, with synthetic scribbles."""

import argparse
from pathlib import Path

from torch import nn

from dataset.training.interactive_sets import s2m_training_set
from model import S2MNetwork
from model.checkpoint import load_weights
from model.resnet import imagenet_state_dict, load_imagenet
from model.training.losses import Bootstrap
from model.training.s2m_forward import S2MForward
from model.training.s2m_start import start_from_deeplab
from scripts.training.loop import Task, run_training
from scripts.training.pictures import draw_s2m_grid
from util.data_roots import add_root_flags
from util.errors import InputError, run_script
from util.flag_types import script_parser
from util.hyper_para import add_training_flags, complete_settings
from util.ranks import Ranks
from util.stages import Schedule

SCHEDULE = Schedule(16, 80_000)
BOOTSTRAP = Bootstrap(10_000, 30_000)


def main() -> None:
    """Parse the flags and train."""
    parser = script_parser(__doc__, "python -m scripts.train_s2m --id s2m --load_deeplab deeplabv3plus.pth")
    add = parser.add_argument_group("data").add_argument
    add_root_flags(add, static_root="static pictures, used twice per epoch", lvis_root="LVIS v1")
    add = parser.add_argument_group("start").add_argument
    add("--load_deeplab", type=Path, help="public DeepLabV3+ of Pascal VOC to start from")
    add_training_flags(parser, crop=480, lr=1e-4, images=800, saves=20_000, logs=50)
    settings = parser.parse_args()
    complete_settings(settings, "s2m", SCHEDULE)
    if settings.load_deeplab is not None and (settings.load_network or settings.load_model):
        raise InputError("--load_deeplab starts a new network: leave --load_network and --load_model out.")
    run_training(settings, s2m_task)


def s2m_task(settings: argparse.Namespace, ranks: Ranks) -> Task:
    """Return the data, the network and the schedule."""
    network = S2MNetwork()
    if ranks.is_distributed:
        if ranks.device.type == "cpu":
            raise InputError(
                "batch norm is synchronised between processes on GPUs only: use one process on a CPU."
            )
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
    return Task(
        title="Scribbles to masks",
        dataset=s2m_training_set(settings.static_root, settings.lvis_root, settings.crop_size, settings.seed),
        forward=S2MForward(network, settings.amp),
        initialise=lambda: initialise(network, settings.load_deeplab),
        load=lambda path: load_weights(network, path),
        bootstrap=BOOTSTRAP,
        picture=draw_s2m_grid,
    )


def initialise(network: S2MNetwork, deeplab: Path | None) -> None:
    """Initialise the network with DeepLabV3+, else ImageNet weights, else randomly."""
    if deeplab is not None:
        start_from_deeplab(network, deeplab)
        return
    imagenet = imagenet_state_dict()
    if imagenet is not None:
        load_imagenet(network.backbone, imagenet)


if __name__ == "__main__":
    run_script(main)
