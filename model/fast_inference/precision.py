"""Chooses a processor's precision, and its kind of convolution in bfloat16, by short trials.

A processor can have instructions for bfloat16 that are slow, so their presence does not decide.
"""

from functools import partial

import torch
from torch import Tensor, nn

from model.fast_inference.products import onednn_is_quicker
from model.fast_inference.trials import Way, choose

SIZE = (480, 854)  # frame size for trials when the frames are not known
SMALL_SIZE = (240, 427)  # frame size for the trial of convolutions, which can be slow


class Probe(nn.Module):
    """The convolutions that take most of a frame's time, one block of each kind.

    Args:
        height: height of the frame, at least 16.
        width: width of the frame, at least 16.
        dtype: dtype of the features.
    """

    def __init__(self, height: int, width: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.res2, self.layer2, self.layer3 = (bottleneck(channels) for channels in (64, 128, 256))
        self.up_8_4 = nn.Sequential(wide(256), nn.ReLU(), wide(256))
        shapes = [(256, 4), (512, 8), (1024, 16), (256, 4)]  # channels and stride
        self.features = [
            torch.randn(1, channels, height // cell, width // cell, dtype=dtype).to(
                memory_format=torch.channels_last
            )
            for channels, cell in shapes
        ]

    def forward(self) -> Tensor:
        """Apply each block to its feature; return the means of the results."""
        blocks = zip(self.children(), self.features, strict=True)
        return torch.stack([block(feature).float().mean() for block, feature in blocks])


def wide(channels: int) -> nn.Conv2d:
    """Return a 3x3 convolution."""
    return nn.Conv2d(channels, channels, 3, padding=1)


def bottleneck(channels: int) -> nn.Sequential:
    """Return the convolutions of a bottleneck without batch norm."""
    first, last = nn.Conv2d(4 * channels, channels, 1), nn.Conv2d(channels, 4 * channels, 1)
    return nn.Sequential(first, nn.ReLU(), wide(channels), nn.ReLU(), last)


def is_reduced(
    precision: str, device: torch.device, size: tuple[int, int] = SIZE, training: bool = False
) -> bool:
    """Return whether to compute in reduced precision.

    Args:
        precision: one of `util.device.PRECISIONS`. "auto" chooses the quicker one on a CPU by a trial of
            about a second, and float32 on a GPU.
        device: device to compute on.
        size: (height, width) of the frames.
        training: whether the choice is for training steps.
    """
    if precision != "auto" or device.type != "cpu":
        return precision == "reduced"
    size = max(16, size[0]), max(16, size[1])
    prepare = training_step if training else inference
    dtypes = {"float32": torch.float32, "reduced": torch.bfloat16}
    usual, other = ((name, partial(prepare, size, dtype)) for name, dtype in dtypes.items())
    kind = "training steps" if training else "frames"
    return choose(f"precision of {kind} of {size[1]} x {size[0]}", usual, other) == "reduced"


def uses_winograd(dtype: torch.dtype) -> bool:
    """Return whether a CPU computes wide convolutions by Winograd's minimal filtering in inference.

    In float32 it does. In bfloat16 a trial decides: direct convolutions can be quicker on a processor with
    instructions for matrix products.
    """
    if dtype != torch.bfloat16:
        return dtype == torch.float32
    usual, other = (
        (name, partial(inference, SMALL_SIZE, dtype, by_winograd))
        for name, by_winograd in (("Winograd", True), ("direct", False))
    )
    return choose("convolutions in bfloat16", usual, other) == usual[0]


def make_trials(amp: bool) -> None:
    """Make all trials that inference on a CPU needs; `amp` is whether it uses reduced precision."""
    onednn_is_quicker()
    if amp:
        uses_winograd(torch.bfloat16)


def inference(size: tuple[int, int], dtype: torch.dtype, by_winograd: bool | None = None) -> Way:
    """Return a function that runs a probe in inference mode.

    Args:
        size: (height, width) of the frame.
        dtype: dtype of the computation.
        by_winograd: whether to use Winograd convolutions; None for the result of `uses_winograd`.
    """
    probe = Probe(*size, dtype).requires_grad_(False)
    if uses_winograd(dtype) if by_winograd is None else by_winograd:
        from model.fast_inference.winograd import use_winograd

        use_winograd(probe, dtype)
    probe.to(dtype).to(memory_format=torch.channels_last)
    return torch.inference_mode()(probe.forward)


def training_step(size: tuple[int, int], dtype: torch.dtype) -> Way:
    """Return a function that runs a probe forward and backward, in bfloat16 by autocast; see `inference`."""
    probe = Probe(*size, torch.float32)
    for feature in probe.features:
        feature.requires_grad_()
    reduced = dtype == torch.bfloat16
    if not reduced:
        from model.fast_inference.winograd_steps import use_winograd_in_training

        use_winograd_in_training(probe)
    probe.to(memory_format=torch.channels_last)

    def step() -> None:
        with torch.autocast("cpu", dtype, enabled=reduced):
            result = probe.forward().sum()
        result.backward()

    return step
