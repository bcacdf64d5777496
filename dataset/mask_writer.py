"""Writing of masks."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from util.files import atomic_path


def write_mask(path: Path, labels: NDArray[np.uint8], palette: list[int] | None) -> None:
    """Write a label map `H x W` as PNG, atomically: paletted, or grey when `palette` is None."""
    image = Image.fromarray(labels)
    if palette is not None:
        image.putpalette(palette)
    with atomic_path(path) as temporary:
        image.save(temporary)
