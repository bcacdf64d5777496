"""Reading of frames and masks, for evaluation and training."""

import util.openmp  # noqa: F401 - before PyTorch
