"""Speed of training steps against the plain formulation."""

import argparse
import copy
from collections.abc import Callable

import torch
from torch import Tensor

from model import PropagationNetwork
from model.fast_inference.preparation import quicken_training
from model.training.propagation_forward import PropagationForward
from model.training.trainer import Trainer
from scripts.benchmark.plain_training import PlainTrainer
from scripts.benchmark.timing import Report, compare, tf32
from scripts.one_shot.from_scratch import initialise_from_scratch
from util.device import AMP_HELP, add_device_flags, set_up_device
from util.flag_types import help_texts, positive_int
from util.hyper_para import CROP_HELP, crop_size
from util.ranks import Ranks


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `train` and its flags."""
    what = "training steps of stage 2"
    parser = commands.add_parser("train", help=what, **help_texts(what, "python -m scripts.benchmark train"))
    add = parser.add_argument
    add("-b", "--batch_size", type=positive_int, default=2, help="samples per batch (default: %(default)s)")
    add("--crop_size", type=crop_size, default=192, help=CROP_HELP)
    add("--turns", type=positive_int, default=5, help="number of measurements (default: %(default)s)")
    add("--amp", action="store_true", help=AMP_HELP)
    add_device_flags(add)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, report: Report) -> None:
    """Train from the same weights on the same batch in both ways; also compare their losses."""
    torch.manual_seed(0)
    ranks = Ranks(set_up_device(args.device, args.no_tf32))
    batch = drawn_batch(args.batch_size, args.crop_size)
    network = PropagationNetwork()
    initialise_from_scratch(network, batch)
    batch = {name: tensor.to(ranks.device) for name, tensor in batch.items()}

    def start_ours() -> Callable[[int], float]:
        own = copy.deepcopy(network).to(ranks.device)
        if not args.amp:
            quicken_training(own, ranks.device)
        trainer = Trainer(PropagationForward(own, args.amp), ranks)

        def loss(_: int) -> float:
            with tf32(not args.no_tf32):
                return trainer.step(batch).losses.sum().item()  # waits for a GPU

        return loss

    def start_plain() -> Callable[[int], float]:
        trainer = PlainTrainer(copy.deepcopy(network).to(ranks.device))

        def loss(_: int) -> float:
            with tf32(True, products=True):
                return trainer.step(batch)

        return loss

    name = f"training, {args.batch_size} x {args.crop_size} x {args.crop_size}{', amp' * args.amp}"
    starts, turns = (start_ours, start_plain), range(args.turns + 1)
    pairs = compare(report, name, "samples/s", starts, turns, device=ranks.device, scale=args.batch_size)
    worst = max(abs(ours / plain - 1) for ours, plain in pairs)
    report.number("largest relative difference of the losses", worst, "")


def drawn_batch(samples: int, size: int) -> dict[str, Tensor]:
    """Return a batch of stage 2 for `Trainer.step`: noise of `size` x `size` pixels with two discs."""
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    discs = [((y - size / part) ** 2 + (x - size / part) ** 2 < (size / 6) ** 2) for part in (3, 1.5)]
    first, second = (disc.expand(samples, 3, 1, -1, -1) for disc in discs)
    return {
        "rgb": torch.randn(samples, 3, 3, size, size),
        "gt": first.float(),
        "sec_gt": second.float(),
        "cls_gt": (first.long() + 2 * second.long()).squeeze(2),
        "selector": torch.ones(samples, 2),
    }
