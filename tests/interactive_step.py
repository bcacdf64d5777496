"""One training step of S2M on the golden batch, shared by a launcher's processes; started by a test."""

import argparse
from pathlib import Path

import torch

from model import S2MNetwork
from model.training.s2m_forward import S2MForward
from model.training.synchronised_norm import synchronise_batch_norm
from model.training.trainer import Trainer
from tests.golden_weights import fill
from tests.test_interactive_training import golden_batch
from util.ranks import joined_ranks


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("output", type=Path)
    args = parser.parse_args()
    with joined_ranks(torch.device("cpu"), for_training=True) as ranks:
        network = S2MNetwork()
        network.classifier.aspp.project[-1].p = 0.0
        if ranks.is_first:
            fill(network, "s2m.")
        network.double()  # float32 rounds by more than what a mistake in the statistics might change
        synchronise_batch_norm(network)
        trainer = Trainer(S2MForward(network), ranks)
        share = {name: value[ranks.rank : ranks.rank + 1] for name, value in golden_batch("s2m").items()}
        trainer.step(share)
        if ranks.is_first:
            gradients = {name: p.grad.clone() for name, p in network.named_parameters()}
            torch.save({"gradients": gradients, "state": network.state_dict()}, args.output)


if __name__ == "__main__":
    main()
