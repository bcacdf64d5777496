"""Train the propagation network, one stage at a time: on static images, BL30K, YouTubeVOS and DAVIS."""

import argparse
import logging
import math
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, default_collate

from dataset.batch_order import BatchOrder
from dataset.training_sets import TrainingSet, stage_dataset
from model import PropagationNetwork
from model.checkpoint import load_weights, save_checkpoint
from model.resnet import imagenet_state_dict
from model.training.from_scratch import initialise_from_scratch
from model.training.trainer import StepResult, Trainer, read_checkpoint
from scripts.training.batch_pictures import image_grid
from scripts.training.metric_means import LogIntegrator
from util.device import set_up_device
from util.errors import InputError, run_script
from util.files import remove_leftovers
from util.hyper_para import check_same_run, plain_settings, training_settings
from util.logger import TrainingLogger
from util.ranks import Ranks, joined_ranks
from util.stages import STAGES, Stage, max_jump_at
from util.stop_request import StopRequest, leave_process_group

log = logging.getLogger(__name__)

SCRATCH_SAMPLES = 8  # at most, on which a start without ImageNet weights is normalised
SAVES = Path("saves")


def main() -> None:
    """Join the other processes of the run, if there are any, and train."""
    settings = training_settings()
    with joined_ranks(set_up_device(settings), for_training=True) as ranks:
        status = train(settings, ranks)
    sys.exit(status)


def train(settings: argparse.Namespace, ranks: Ranks) -> int:
    """Train one stage, from its start or from where an earlier run stopped.

    Returns:
        The exit status: 0 when the stage is finished, that of a signal when one stopped it.
    """
    if not ranks.is_first:
        logging.getLogger().setLevel(logging.WARNING)
    torch.manual_seed(settings.seed)  # for new weights; samples and their order have their own streams
    torch.backends.cudnn.benchmark = settings.benchmark
    stage = STAGES[settings.stage]

    # Data: every process loads its own share of each batch.
    dataset = stage_dataset(
        settings.stage,
        static_root=settings.static_root,
        bl_root=settings.bl_root,
        yv_root=settings.yv_root,
        davis_root=settings.davis_root,
        yv_subset=settings.yv_subset,
        seed=settings.seed,
        crop_size=settings.crop_size,
    )
    order = BatchOrder(len(dataset), settings.batch_size, ranks, settings.seed)
    if ranks.is_first and len(dataset) < order.whole_batch:
        log.warning(
            "The training set has %d samples, fewer than the whole batch of %d: each batch has some of them "
            "several times; more data or a smaller --batch_size avoids that.",
            *(len(dataset), order.whole_batch),
        )
    loader = DataLoader(
        dataset,
        batch_sampler=order,
        num_workers=settings.num_workers,
        persistent_workers=settings.num_workers > 0,
        pin_memory=ranks.device.type == "cuda",
        worker_init_fn=leave_process_group,
    )
    plain = plain_settings(settings, ranks.count, len(dataset))

    # The run to go on with, if there is one.
    checkpoint = None
    if settings.load_model is not None:
        checkpoint = read_checkpoint(settings.load_model)
        check_same_run(checkpoint["settings"], plain, settings.load_model)
        if checkpoint["it"] >= settings.iterations:
            raise InputError(f"{settings.load_model} has finished its {checkpoint['it']} iterations already.")

    # Network and optimiser.
    network = PropagationNetwork(single_object=stage.objects == 1)
    if settings.load_network is not None:
        load_weights(network, settings.load_network)
    elif checkpoint is None and ranks.is_first:  # the trainer copies them to the others
        initialise(network, dataset)
    trainer = Trainer(
        network.to(ranks.device),
        ranks,
        lr=settings.lr,
        steps=settings.steps,
        gamma=settings.gamma,
        amp=settings.amp,
        compiled=settings.compile,
        clip_grad=settings.clip_grad,
    )
    if checkpoint is not None:
        trainer.load_checkpoint(checkpoint, settings.load_model)
        checkpoint = None  # frees its copy of weights and moments

    # Names of files and logs.
    name = f"{time.strftime('%Y-%m-%d_%H.%M.%S')}_{settings.id}"
    files = SAVES / name / name  # what their paths start with
    if ranks.is_first:
        for folder in SAVES.glob("*"):
            remove_leftovers(folder)
    log.info(
        "Stage %d (%s): %d samples, %d processes of batch %d on %s, iterations %d to %d.",
        *(settings.stage, stage.data, len(dataset), ranks.count, settings.batch_size, ranks.device.type),
        *(trainer.iteration, settings.iterations),
    )

    metrics = LogIntegrator(ranks)
    with (
        TrainingLogger(Path("log") / name, plain) if ranks.is_first else nullcontext() as logger,
        StopRequest() as stop,
    ):
        before = time.perf_counter()
        for batch in batches(loader, dataset, order, stage, trainer.iteration, settings.iterations):
            loaded = time.perf_counter()
            result = trainer.step(batch)
            iteration = trainer.iteration
            add_metrics(metrics, result)
            metrics.add("time/loading", loaded - before)
            metrics.add("time/iteration", time.perf_counter() - before)
            before = time.perf_counter()

            # Signals reach the processes at different times; they must leave after the same iteration.
            stopping = ranks.any([stop.received is not None])[0]
            ending = stopping or iteration == settings.iterations

            if ending or iteration % settings.log_interval == 0:
                means = metrics.conclude()
                if logger is not None:
                    logger.metrics(iteration, means)
            if logger is not None and iteration % settings.image_interval == 0:
                logger.picture(iteration, "samples", image_grid(batch, result.logits))
            if ranks.is_first and (ending or iteration % settings.save_interval == 0):
                save_checkpoint(trainer.network.state_dict(), Path(f"{files}_{iteration}.pth"))
            if ranks.is_first and (ending or iteration % settings.checkpoint_interval == 0):
                save_checkpoint(trainer.state(plain), Path(f"{files}_checkpoint.pth"))
            if stopping:
                reason = stop.received or "a signal to another process"
                log.info("Stopped by %s; continue with --load_model %s_checkpoint.pth", reason, files)
                return stop.status
    log.info("Finished: %s_%d.pth", files, trainer.iteration)
    return 0


def initialise(network: PropagationNetwork, dataset: TrainingSet) -> None:
    """Start the encoders from ImageNet, or from scratch with the data set's first samples."""
    imagenet = imagenet_state_dict()
    if imagenet is not None:
        network.load_imagenet(imagenet)
        return
    count = min(len(dataset), SCRATCH_SAMPLES)
    initialise_from_scratch(network, default_collate([dataset[i] for i in range(count)]))


def batches(
    loader: DataLoader[dict[str, Any]],
    dataset: TrainingSet,
    order: BatchOrder,
    stage: Stage,
    first: int,
    last: int,
) -> Iterator[dict[str, Any]]:
    """Yield the batches of the iterations `first` to `last` - 1, epoch after epoch.

    Raises:
        InputError: a sample cannot be read; without the loading process's trace around it.
    """
    epochs = math.ceil(last / order.batches)
    iteration = first
    while iteration < last:
        epoch = order.seek(iteration)
        dataset.set_epoch(epoch)
        dataset.set_max_jump(max_jump_at(stage, epoch, epochs))
        try:
            for batch in islice(loader, last - iteration):
                yield batch
                iteration += 1
        except InputError as error:
            raise InputError(str(error).strip().splitlines()[-1].split("InputError: ")[-1]) from error


def add_metrics(metrics: LogIntegrator, result: StepResult) -> None:
    """Count what a step found out."""
    metrics.add("loss/total", result.losses.sum())
    for frame, loss in enumerate(result.losses, start=1):
        metrics.add(f"loss/frame_{frame}", loss)
    metrics.add("loss/hard_fraction", result.fraction)
    for number, (shared, either) in enumerate(zip(result.intersection, result.union, strict=True), start=1):
        metrics.add(f"iou/object_{number}", shared, either)
    metrics.add("optimiser/gradient_norm", result.gradient_norm)
    metrics.add("optimiser/learning_rate", result.learning_rate)


if __name__ == "__main__":
    run_script(main)
