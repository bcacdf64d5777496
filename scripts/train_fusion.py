"""Train the fusion network on the data of `scripts.generate_fusion`: stage 0 BL30K, stage 1 DAVIS."""

import argparse
from pathlib import Path

from dataset.training.interactive_sets import fusion_training_set
from model import FusionNetwork, load_network
from model.checkpoint import load_weights
from model.training.fusion_forward import FrozenAttention, FusionForward
from model.training.losses import Bootstrap
from scripts.training.loop import Task, run_training
from scripts.training.pictures import draw_fusion_grid
from util.data_roots import WEIGHTS, add_root_flags
from util.errors import run_script
from util.flag_types import add_alias, script_parser
from util.hyper_para import add_training_flags, complete_settings
from util.ranks import Ranks
from util.stages import Schedule

SCHEDULES = (Schedule(12, 30_000, (20_000,)), Schedule(12, 10_000, (7_500,)))
HARDEST_FROM, HARDEST_TO = 0.2, 0.5  # shares of the run between which the number of counted pixels falls


def main() -> None:
    """Parse the flags and train a stage."""
    parser = script_parser(__doc__, "python -m scripts.train_fusion --stage 0 --id fusion0")
    parser.add_argument("--stage", type=int, choices=(0, 1), required=True, help="0: BL30K; 1: DAVIS")
    model = "weights of the propagation network, which is not trained (default: %(default)s)"
    parser.add_argument("--model", type=Path, default=WEIGHTS["propagation"], help=model)
    add_alias(parser.add_argument, "--load_prop", "model", type=Path)
    add = parser.add_argument_group("data").add_argument
    add("--fusion_bl_root", type=Path, help=argparse.SUPPRESS)  # the original's, for stage 0
    add_root_flags(add, fusion_root="data of generate_fusion", bl_root="stage 0: BL30K")
    add_root_flags(add, davis_root="stage 1: DAVIS, with 2017/trainval in it")
    add_training_flags(parser, crop=384, lr=1e-4, images=500, saves=5_000)
    settings = parser.parse_args()
    complete_settings(settings, f"fusion{settings.stage}", SCHEDULES[settings.stage])
    run_training(settings, fusion_task)


def fusion_task(settings: argparse.Namespace, ranks: Ranks) -> Task:
    """Return the data, the network and the schedule."""
    network = FusionNetwork()
    attention = FrozenAttention(load_network(settings.model, ranks.device, settings.amp))
    data = (settings.stage == 0 and settings.fusion_bl_root) or settings.fusion_root
    roots = data, settings.bl_root, settings.davis_root
    return Task(
        title=f"Fusion, stage {settings.stage}",
        dataset=fusion_training_set(settings.stage, *roots, settings.crop_size, settings.seed),
        forward=FusionForward(network, attention, settings.amp),
        initialise=lambda: None,  # PyTorch's initialisation
        load=lambda path: load_weights(network, path),
        bootstrap=Bootstrap(HARDEST_FROM * settings.iterations, HARDEST_TO * settings.iterations),
        picture=draw_fusion_grid,
    )


if __name__ == "__main__":
    run_script(main)
