"""One training step on a golden batch, shared by a launcher's processes; started by test_trainer.py."""

import argparse
from pathlib import Path

import torch

from model import PropagationNetwork
from model.training.propagation_forward import PropagationForward
from model.training.trainer import Trainer
from tests.golden_weights import fill
from tests.training.test_trainer import small_batch
from util.ranks import join_ranks


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("variant", choices=["so", "mo"])
    parser.add_argument("output", type=Path)
    args = parser.parse_args()
    with join_ranks(torch.device("cpu"), for_training=True) as ranks:
        network = PropagationNetwork(single_object=args.variant == "so")
        if ranks.is_first:  # the trainer must bring these weights to the other process
            fill(network)
        trainer = Trainer(PropagationForward(network), ranks)
        mean = network.rgb_encoder.bn1.running_mean
        shared = torch.equal(ranks.sum(mean), 2 * mean) and mean.all().item()
        trainer.step({name: v[ranks.rank : ranks.rank + 1] for name, v in small_batch(args.variant).items()})
        if ranks.is_first:
            result = {
                "gradients": {name: p.grad.clone() for name, p in network.named_parameters()},
                "processes": ranks.count,
                "statistics_are_shared": shared,
            }
            torch.save(result, args.output)


if __name__ == "__main__":
    main()
