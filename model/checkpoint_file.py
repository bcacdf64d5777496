"""Loading of PyTorch files without running code from them."""

import pickle
import re
from pathlib import Path
from typing import Any

import torch

from util.errors import InputError


class _Placeholder:
    """Replaces an object beside the weights, such as the settings of a training."""

    def __new__(cls, *args: object) -> "_Placeholder":
        return super().__new__(cls)

    def __init__(self, *args: object) -> None: ...

    def __setstate__(self, state: object) -> None: ...


REPLACED: list[Any] = [  # NumPy 1 has `numpy.core`, NumPy 2 `numpy._core`
    (_Placeholder, name)
    for name in (
        *("argparse.Namespace", "numpy.dtype", "numpy.ndarray"),
        *("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"),
        *("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"),
    )
]


def load_file(path: str | Path) -> dict[str, Any]:
    """Load a checkpoint file to the CPU without running code from it.

    Raises:
        InputError: the file is missing, truncated, not a checkpoint, or would run code.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no checkpoint at {path}: give the path of a .pth file.")
    _check_start(path)
    try:
        with torch.serialization.safe_globals(REPLACED):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        refused = re.search(r"GLOBAL (\S+) was not an allowed", str(error))
        what = f"it holds {refused[1]}, which" if refused else "it is damaged, not a PyTorch file, or"
        raise InputError(
            f"{path} is refused: {what} would run code when loaded (only tensors and plain containers are "
            "accepted): save its weights alone."
        ) from error
    except OSError:
        raise
    except Exception as error:  # a damaged pickle can raise anything
        raise InputError(f"{path} is not a whole PyTorch checkpoint (truncated?): fetch it again.") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} holds a {type(content).__name__}, not a state dict.")
    return content


def _check_start(path: Path) -> None:
    """Raise InputError when a file's first bytes are those of a web page or a Git LFS pointer."""
    with path.open("rb") as file:
        start = file.read(512).lstrip().lower()
    if start.startswith(b"version https://git-lfs"):
        raise InputError(f"{path} is a Git LFS pointer, not the file: run `git lfs pull` in its repository.")
    if start.startswith((b"<!doctype html", b"<html", b"<?xml")):
        raise InputError(f"{path} is a web page, not a checkpoint: fetch it again, past the page's notice.")
