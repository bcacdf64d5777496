"""Logs of a training run, for TensorBoard and the terminal."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.tensorboard import SummaryWriter

log = logging.getLogger(__name__)


def git_commit(folder: Path) -> str | None:
    """Return the git commit of a folder's code, marked when files were changed; None if unknown."""
    try:
        import git  # fails without the git program

        repository = git.Repo(folder, search_parent_directories=True)
        commit = repository.head.commit.hexsha
        return f"{commit} with changes" if repository.is_dirty() else commit
    except ImportError:
        return None
    except (git.GitError, ValueError, OSError):  # no checkout, or no commit yet
        return None


class TrainingLogger:
    """Writes the metrics and pictures of one run, in the first process.

    Args:
        folder: folder of TensorBoard's files; None only prints metrics.
        settings: settings of the run, recorded as text with the git commit.
    """

    def __init__(self, folder: Path | None, settings: Mapping[str, Any]) -> None:
        self.writer = None if folder is None else SummaryWriter(folder)
        if folder is None:
            return
        commit = git_commit(Path(__file__).parent) or "unknown (not a git checkout)"
        self.text("git commit", commit)
        self.text("settings", json.dumps(settings, indent=1))
        log.info("Logging to %s; the code is of commit %s.", folder, commit)

    def text(self, name: str, text: str) -> None:
        """Record a text."""
        if self.writer is not None:
            self.writer.add_text(name, "\n".join(f"    {line}" for line in text.splitlines()))

    def metrics(self, iteration: int, values: Mapping[str, float]) -> None:
        """Record and print numbers by name."""
        if self.writer is not None:
            for name, value in values.items():
                self.writer.add_scalar(name, value, iteration)
        log.info("it %d: %s", iteration, ", ".join(f"{name} {value:.4g}" for name, value in values.items()))

    def picture(self, iteration: int, name: str, image: NDArray[np.uint8]) -> None:
        """Record an RGB picture `H x W x 3`."""
        if self.writer is not None:
            self.writer.add_image(name, image, iteration, dataformats="HWC")

    def __enter__(self) -> "TrainingLogger":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.writer is not None:
            self.writer.close()
