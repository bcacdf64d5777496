"""The networks of an evaluation on the interactive track, and replacements for those without weights."""

import argparse
import logging
from typing import Any

import torch

from dataset.interactive.davis_interactive import TrackSequence
from dataset.video_files.frame_source import PictureFiles
from model import FusionNetwork, InteractiveCore, PropagationNetwork, load_fusion, load_network, load_s2m
from model.interactive.grab_cut import GrabCutSegmenter
from model.interactive.scribble_to_mask import S2MSegmenter, ScribbleSegmenter
from scripts.evaluation.flags import core_options
from scripts.interactive_track.method import POLICIES, InteractiveMethod, NormalisedFrames
from util.errors import InputError
from util.files import sha256

log = logging.getLogger(__name__)


def settings_of(args: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that determine the masks, with digests of the weights.

    Raises:
        InputError: a file of weights is missing.
    """
    weights = {"model": args.model, "s2m": args.s2m, "fusion": args.fusion}
    for name, path in weights.items():
        if path is not None and not path.is_file():
            raise InputError(f"there are no weights at {path}: give --{name} a file of them.")
    digests = {name: path and sha256(path) for name, path in weights.items()}
    return {**digests, **core_options(args), "amp": args.amp, "policy": args.policy}


class Networks:
    """The networks of a run, and replacements for those without weights.

    Args:
        args: parsed flags.
        device: device to compute on.
        told: whether to log the replacements.
    """

    def __init__(self, args: argparse.Namespace, device: torch.device, told: bool) -> None:
        self.propagation: PropagationNetwork = load_network(args.model, device, args.amp)
        self.fusion: FusionNetwork | None = None
        self.segmenter: ScribbleSegmenter = GrabCutSegmenter()
        self.options = core_options(args)
        if args.s2m is not None:
            self.segmenter = S2MSegmenter(load_s2m(args.s2m, device, args.amp), widen=True, every_object=True)
        elif told:
            log.info("No weights of S2M (--s2m): GrabCut turns scribbles into masks.")
        if args.fusion is not None:
            self.fusion = load_fusion(args.fusion, device, args.amp)
        elif told:
            log.info("No weights of fusion (--fusion): old and new masks are weighted by distance.")
        logging.getLogger(InteractiveCore.__module__).setLevel(
            logging.WARNING
        )  # would log it for each sample

    def method(self, sequence: TrackSequence, policy: str, interactions: int) -> InteractiveMethod:
        """Return the method for one sample."""
        frames = PictureFiles(sequence.frames)
        labels = list(sequence.labels)
        core = InteractiveCore(
            self.propagation, NormalisedFrames(frames), labels, self.fusion, **self.options
        )
        return InteractiveMethod(frames, labels, self.segmenter, core, POLICIES[policy], interactions)
