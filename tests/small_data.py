"""Small arrays for tests: random frames and label maps of rectangles."""

import numpy as np


def noise(count: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    """Random frames, uint8 `count x height x width x 3`."""
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), np.uint8)


def boxes(height: int, width: int, boxes) -> np.ndarray:
    """A label map of rectangles: boxes is {label: (rows, columns)}, two slices; a later box hides others."""
    labels = np.zeros((height, width), np.uint8)
    for label, box in boxes.items():
        labels[box] = label
    return labels
