"""Training steps against the plain way to take them."""

import argparse
import copy
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor

from model import PropagationNetwork
from model.from_scratch import initialise_from_scratch
from model.trainer import Trainer
from scripts.device_use import report_peak, report_share
from scripts.plain_training import PlainTrainer
from util.device import add_device_flags, allow_tf32, chosen_device
from util.evaluation_args import positive_int
from util.hyper_para import crop_size
from util.ranks import Ranks
from util.timing import Report, in_turns

MEMORY_STEPS = 2  # that memory is looked at: the first makes the optimiser's moments


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `train` and its flags."""
    parser = commands.add_parser("train", help="training steps of stage 2", description=__doc__)
    parser.add_argument("-b", "--batch_size", type=positive_int, default=2, help="default: %(default)s")
    parser.add_argument("--crop_size", type=crop_size, default=192, help="default: %(default)s")
    parser.add_argument("--turns", type=positive_int, default=5, help="default: %(default)s")
    parser.add_argument("--amp", action="store_true", help="ours in reduced precision")
    add_device_flags(parser.add_argument)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, report: Report) -> None:
    """Step both ways from the same weights on the same batch; also compare their losses."""
    torch.manual_seed(0)
    ranks = Ranks(chosen_device(args))
    batch = drawn_batch(args.batch_size, args.crop_size)
    network = PropagationNetwork()
    initialise_from_scratch(network, batch)
    batch = {name: tensor.to(ranks.device) for name, tensor in batch.items()}

    def start_ours() -> Callable[[int], float]:
        trainer = Trainer(copy.deepcopy(network).to(ranks.device), ranks, amp=args.amp)

        def loss(_: int) -> float:
            allow_tf32(not args.no_tf32)
            return trainer.step(batch).losses.sum().item()  # waits for a GPU

        return loss

    def start_plain() -> Callable[[int], float]:
        trainer = PlainTrainer(copy.deepcopy(network).to(ranks.device))

        def loss(_: int) -> float:
            allow_tf32(True, products=True)
            return trainer.step(batch)

        return loss

    what = f"training, {args.batch_size} x {args.crop_size} x {args.crop_size}{', amp' * args.amp}"
    report_peak(report, f"ours, {what}", start_ours, range(MEMORY_STEPS), ranks.device)
    report_peak(report, f"plain, {what}", start_plain, range(MEMORY_STEPS), ranks.device)

    ours, plain = start_ours(), start_plain()
    our_losses: list[float] = []
    plain_losses: list[float] = []
    timing = in_turns(
        lambda turn: our_losses.append(ours(turn)),
        lambda turn: plain_losses.append(plain(turn)),
        range(args.turns + 1),
    )
    report.timing(what, timing, "samples/s", scale=args.batch_size)
    worst = max(abs(a / b - 1) for a, b in zip(our_losses, plain_losses, strict=True))
    report.number("largest relative difference of the losses", worst, "")
    report_share(report, lambda: ours(0), median(timing.ours), ranks.device, args.amp)


def drawn_batch(samples: int, size: int) -> dict[str, Tensor]:
    """Return a batch of stage 2: noise with two discs, the second missing from the last sample.

    It is as `Trainer.step` takes it.

    Args:
        samples: B.
        size: H and W.
    """
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    first = ((y - size / 3) ** 2 + (x - size / 3) ** 2 < (size / 5) ** 2).expand(samples, 3, 1, -1, -1)
    second = ((y - size / 1.5) ** 2 + (x - size / 1.5) ** 2 < (size / 6) ** 2).expand(samples, 3, 1, -1, -1)
    selector = torch.ones(samples, 2)
    if samples > 1:
        selector[-1, 1] = 0
    second = second & (selector[:, 1] > 0).view(-1, 1, 1, 1, 1)
    return {
        "rgb": torch.randn(samples, 3, 3, size, size),
        "gt": first.float(),
        "sec_gt": second.float(),
        "cls_gt": (first.long() + 2 * second.long()).squeeze(2),
        "selector": selector,
    }
