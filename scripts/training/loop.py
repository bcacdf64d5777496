"""The loop behind every training: steps, metrics, pictures, networks and checkpoints."""

import argparse
import logging
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from dataset.training.batch_order import BatchOrder
from model.checkpoint import save_checkpoint
from model.fast_inference.preparation import quicken_training
from model.training.forward import TrainingForward
from model.training.losses import Bootstrap
from model.training.trainer import Trainer, read_checkpoint
from scripts.training.metrics import LogIntegrator
from util.device import set_up_device
from util.errors import InputError
from util.files import remove_leftovers
from util.hyper_para import UNRECORDED, check_same_run, plain_settings
from util.logger import TrainingLogger
from util.ranks import Ranks, join_ranks
from util.stop_request import StopRequest, hold_back_signals, leave_process_group

log = logging.getLogger(__name__)

SAVES = Path("saves")
NOT_SAVED = f"nothing is saved at the end (--debug or --id {UNRECORDED})"
NO_SHARED_MEMORY = (
    "the shared memory (/dev/shm) of the loading processes is full: make it larger "
    "(docker run --shm-size=8g), or use a smaller --num_workers; 0 needs none."
)
PICTURED = 6  # samples of a batch that are drawn

Batch = dict[str, Any]  # batch of the data loader: tensors by name, and `info` on their origin


class TrainingData(Protocol):
    """A data set whose samples depend on the epoch."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> Any: ...
    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, which changes the samples; called between epochs."""


@dataclass(frozen=True)
class Task:
    """The parts of a training.

    Attributes:
        title: title of the run in its log.
        dataset: training set.
        forward: module that holds the network and computes logits from a batch.
        initialise: function that initialises the network; called in the first process when no weights are
            loaded.
        load: function that loads weights from a file into the network.
        bootstrap: schedule of the fraction of pixels that count in the loss.
        picture: function that draws a batch with its logits.
        begin_epoch: function that changes settings of an epoch, by its number and the number of epochs.
    """

    title: str
    dataset: TrainingData
    forward: TrainingForward
    initialise: Callable[[], None]
    load: Callable[[Path], None]
    bootstrap: Bootstrap
    picture: Callable[[Batch, Tensor], NDArray[np.uint8]]
    begin_epoch: Callable[[int, int], None] | None = None


def run_training(settings: argparse.Namespace, task: Callable[[argparse.Namespace, Ranks], Task]) -> None:
    """Join the other processes of the run, train, and exit with the status.

    Args:
        settings: completed flags, see `util.hyper_para`.
        task: function that creates the task in each process.
    """
    with join_ranks(set_up_device(settings.device, settings.no_tf32), for_training=True) as ranks:
        if not ranks.is_first:
            logging.getLogger().setLevel(logging.WARNING)
        torch.manual_seed(settings.seed)  # of new weights; samples and their order have separate generators
        status = train(task(settings, ranks), settings, ranks)
    sys.exit(status)


def train(task: Task, settings: argparse.Namespace, ranks: Ranks) -> int:
    """Train, from the start or from a checkpoint.

    Returns:
        The exit status: 0 after all iterations, or that of the signal that stopped the run.
    """
    torch.backends.cudnn.benchmark = settings.benchmark
    order = BatchOrder(len(task.dataset), settings.batch_size, ranks, settings.seed)
    plain = plain_settings(settings, ranks.count, len(task.dataset))
    trainer = begin_trainer(task, settings, plain, ranks)
    name = f"{time.strftime('%Y-%m-%d_%H.%M.%S')}_{settings.id}"
    files = SAVES / name / name  # prefix of their paths
    writes = ranks.is_first and settings.id != UNRECORDED
    keeps = settings.id != UNRECORDED and not settings.debug  # whether to save at the end
    if ranks.is_first:
        log.info(
            "%s: %d samples, %d processes of batch %d on %s, iterations %d to %d.",
            *(task.title, len(task.dataset), ranks.count, settings.batch_size, ranks.device.type),
            *(trainer.iteration, settings.iterations),
        )
        for folder in SAVES.glob("*"):
            remove_leftovers(folder)

    metrics = LogIntegrator(ranks)
    with TrainingLogger(Path("log") / name if writes else None, plain) as logger, StopRequest() as stop:
        before = time.perf_counter()
        for batch in batches(task, settings, order, trainer.iteration):
            loaded = time.perf_counter()
            result = trainer.step(batch)
            iteration = trainer.iteration
            metrics.add_step(result)
            metrics.add("time/loading", loaded - before)
            metrics.add("time/iteration", time.perf_counter() - before)
            before = time.perf_counter()

            # Signals reach the processes at different times, but all must stop after the same iteration.
            stopping = ranks.any([stop.received is not None])[0]
            ending = stopping or iteration == settings.iterations

            if ending or iteration % settings.log_interval == 0:
                logger.metrics(iteration, metrics.conclude())
            if writes and iteration % settings.image_interval == 0:
                first = {each: value[:PICTURED] for each, value in batch.items() if each != "info"}
                logger.picture(iteration, "samples", task.picture(first, result.logits[:PICTURED]))
            if writes and ((ending and keeps) or iteration % settings.save_interval == 0):
                save_checkpoint(trainer.network.state_dict(), Path(f"{files}_{iteration}.pth"))
            if writes and ((ending and keeps) or iteration % settings.checkpoint_interval == 0):
                save_checkpoint(trainer.state(plain), Path(f"{files}_checkpoint.pth"))
            if stopping:
                after = f"continue with --load_model {files}_checkpoint.pth" if keeps else NOT_SAVED
                log.info("Stopped by %s; %s.", stop.received or "a signal to another process", after)
                return stop.status
    log.info("Finished; %s.", f"{files}_{trainer.iteration}.pth" if keeps else NOT_SAVED)
    return 0


def begin_trainer(task: Task, settings: argparse.Namespace, plain: dict[str, Any], ranks: Ranks) -> Trainer:
    """Give the task's network its weights; return the trainer of a new run, or of the one to continue.

    Args:
        task: the training.
        settings: completed flags.
        plain: settings as plain values, to compare with those of a checkpoint.
        ranks: processes of the run.

    Raises:
        InputError: the checkpoint is of a run with other settings, or has finished.
    """
    checkpoint = None
    if settings.load_model is not None:
        checkpoint = read_checkpoint(settings.load_model)
        if checkpoint["settings"] is not None:
            check_same_run(checkpoint["settings"], plain, settings.load_model)
        else:
            log.info(
                "%s is a checkpoint of the original code: weights, Adam's state, schedule and iteration are "
                "taken over; the samples that follow are not those of the old run.",
                settings.load_model,
            )
        if checkpoint["it"] >= settings.iterations:
            raise InputError(f"{settings.load_model} has finished its {checkpoint['it']} iterations already.")
    if settings.load_network is not None:
        task.load(settings.load_network)
    elif checkpoint is None and ranks.is_first:  # the trainer copies them to the other ranks
        task.initialise()
    network = task.forward.network.to(ranks.device)
    if not (settings.amp or settings.compile):
        quicken_training(network, ranks.device)
    trainer = Trainer(
        task.forward,
        ranks,
        lr=settings.lr,
        steps=settings.steps,
        gamma=settings.gamma,
        bootstrap=task.bootstrap,
        compiled=settings.compile,
        clip_grad=settings.clip_grad,
        seed=settings.seed,
    )
    if checkpoint is not None:
        trainer.load_checkpoint(checkpoint, settings.load_model)
    return trainer


def batches(task: Task, settings: argparse.Namespace, order: BatchOrder, first: int) -> Iterator[Batch]:
    """Yield this process's share of each batch from iteration `first` on, epoch after epoch.

    Raises:
        InputError: a sample cannot be read, or shared memory is full.
    """
    loader: DataLoader[Any] = DataLoader(
        cast("Dataset[Any]", task.dataset),
        batch_sampler=order,
        num_workers=settings.num_workers,
        persistent_workers=settings.num_workers > 0,
        pin_memory=order.ranks.device.type == "cuda",
        worker_init_fn=leave_process_group,
    )
    last = settings.iterations
    epochs = math.ceil(last / order.batches)
    iteration = first
    while iteration < last:
        epoch = order.seek(iteration)
        task.dataset.set_epoch(epoch)
        if task.begin_epoch is not None:
            task.begin_epoch(epoch, epochs)
        try:
            with hold_back_signals():
                loaded = iter(loader)  # starts the loading processes
            for batch in islice(loaded, last - iteration):
                yield batch
                iteration += 1
        except InputError as error:  # a worker's message holds its traceback
            raise InputError(str(error).strip().splitlines()[-1].split("InputError: ")[-1]) from error
        except RuntimeError as error:
            if "shared memory" not in str(error):  # PyTorch's text for full shared memory
                raise
            raise InputError(NO_SHARED_MEMORY) from error
