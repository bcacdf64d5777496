"""Room on disks: asked for before a write, explained when it runs out."""

import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from util.errors import NO_ROOM, InputError


def readable(size: int) -> str:
    """Return a number of bytes for people: `1.5 GB`."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"


def free_space(folder: Path) -> int:
    """Return the bytes that can be written below a folder, which need not exist yet."""
    return shutil.disk_usage(_existing(folder)).free


def require_space(needs: Mapping[Path, int], purpose: str) -> None:
    """Check that bytes can be written below folders, which need not exist yet.

    Args:
        needs: folder -> bytes; folders on the same disk share its room.
        purpose: what the room is for, for the error message.

    Raises:
        InputError: a disk has too little room.
    """
    disks: dict[int, list[Path]] = defaultdict(list)
    for folder in needs:
        disks[_existing(folder).stat().st_dev].append(folder)
    for folders in disks.values():
        needed = sum(needs[folder] for folder in folders)
        free = free_space(folders[0])
        if needed > free:
            raise InputError(
                f"{purpose} needs {readable(needed)} on the disk of {folders[0]}, which has "
                f"{readable(free)} free: make room, then run the same command again."
            )


@contextmanager
def full_disk_explained(folder: Path) -> Iterator[None]:
    """Turn a write that fails for lack of room into one clear sentence.

    Raises:
        InputError: the disk of `folder` filled up within the block.
    """
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise InputError(
                f"writing to {folder} failed ({error.strerror}): make room, then run the same command again."
            ) from error
        raise


def _existing(folder: Path) -> Path:
    folder = folder.absolute()
    return next(place for place in (folder, *folder.parents) if place.exists())
