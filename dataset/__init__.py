"""Frames, masks and samples from files, for evaluation and training."""

import util.openmp  # noqa: F401 - before PyTorch
