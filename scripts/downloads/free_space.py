"""Free disk space."""

import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from util.errors import InputError


def gigabytes(size: int) -> str:
    """Return a number of bytes for people: `1.5 GB`."""
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"


def free_space(folder: Path) -> int:
    """Return the free bytes on the disk of a folder, which need not exist yet."""
    return shutil.disk_usage(_existing(folder)).free


def require_space(needs: Mapping[Path, int], purpose: str) -> None:
    """Check that folders, which need not exist yet, have space for a number of bytes each.

    Raises:
        InputError: a disk has too little space for all of its folders together.
    """
    needed: Counter[int] = Counter()
    for folder, size in needs.items():
        disk = _existing(folder).stat().st_dev
        needed[disk] += size
        if needed[disk] > free_space(folder):
            raise InputError(
                f"{purpose} needs {gigabytes(needed[disk])} on the disk of {folder}, which has "
                f"{gigabytes(free_space(folder))} free: make room, then run the same command again."
            )


def _existing(folder: Path) -> Path:
    folder = folder.absolute()
    return next(place for place in (folder, *folder.parents) if place.exists())
