"""The precision of a run: chosen once, for all processes and for later runs that continue."""

import argparse
import logging

import torch

from dataset.video import Video, working_size
from dataset.video_checks import read_first_frame
from model.fast_inference.precision import SIZE, is_reduced, make_trials
from model.fast_inference.trials import adopt, choices
from scripts.evaluation.run_record import ADVICE, WAYS
from util.ranks import Ranks
from util.settings_record import read_record

log = logging.getLogger(__name__)


def choose_precision(args: argparse.Namespace, ranks: Ranks, video: Video | None = None) -> bool:
    """Return whether a run computes in reduced precision; each process must call this.

    A run that continues keeps the recorded choices, even if trials would choose otherwise now.

    Args:
        args: parsed flags, with `precision`, `output` and possibly `overwrite`.
        ranks: processes of the run; the first one chooses.
        video: video to compute; None for frames of 480p.

    Raises:
        InputError: the record is damaged.
    """
    amp = False
    if ranks.is_first:
        overwrite = getattr(args, "overwrite", False)
        record = {} if overwrite else read_record(args.output, ADVICE) or {}
        for subject, choice in record.get(WAYS, {}).items():
            log.info("%s: %s, as in the run that this one continues.", subject, choice)
        adopt(record.get(WAYS, {}))
        recorded = record.get("amp") if args.precision == "auto" else None
        amp = _chosen(args.precision, ranks.device, video) if recorded is None else recorded
        if ranks.device.type == "cpu":
            make_trials(amp)
    amp, chosen = ranks.from_first((amp, choices()))
    adopt(chosen)
    return amp


def _chosen(precision: str, device: torch.device, video: Video | None) -> bool:
    size = SIZE
    if video is not None and precision == "auto":
        height, width, _ = read_first_frame(video.frames).shape
        size = (height, width)
        if video.short_side is not None:
            size = working_size(size, video.short_side)
    return is_reduced(precision, device, size)
