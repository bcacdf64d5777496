"""Writing of masks."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from util.errors import InputError
from util.files import atomic_path
from util.palette import extend_palette


def write_mask(path: Path, labels: NDArray[np.integer], palette: list[int] | None) -> None:
    """Write a label map `H x W` atomically as an 8-bit PNG: paletted, or grey when `palette` is None.

    Args:
        path: path of the PNG.
        labels: labels from 0 to 255.
        palette: colours, R G B R G B ...; fewer than 256 are filled up, since a PNG cannot store larger
            labels.

    Raises:
        InputError: a label is outside of 0 to 255.
    """
    if labels.size and (labels.min() < 0 or labels.max() > 255):
        raise InputError(f"labels from {labels.min()} to {labels.max()} do not fit into {path}: 0 to 255 do.")
    image = Image.fromarray(labels.astype(np.uint8, copy=False))
    if palette is not None:
        image.putpalette(extend_palette(palette))
    with atomic_path(path) as temporary:
        image.save(temporary)
