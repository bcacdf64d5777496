"""Scripts beside the main entry points; run as `python -m scripts.NAME`."""

import util.openmp  # noqa: F401 - before PyTorch
