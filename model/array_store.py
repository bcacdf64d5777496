"""Arrays that may be more than memory holds: kept within a budget, and beyond it in files."""

import tempfile
from collections import OrderedDict
from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from util.errors import InputError
from util.files import atomic_path

Array = NDArray[np.generic]


class ArrayStore:
    """Keeps arrays by numbers; what is put in never changes, so that undoing is to look at older ones.

    Args:
        budget: bytes held in memory; what was used last stays there.
        folder: where every array is written at once, `<number>.npy`; None writes only what exceeds the
            budget, to a temporary folder.
    """

    def __init__(self, budget: int, folder: Path | None = None) -> None:
        self.budget = budget
        self.folder = folder
        self.held: OrderedDict[int, Array] = OrderedDict()
        self.held_bytes = 0
        self.stored: set[int] = set()  # those in files
        self.next = 0
        self._temporary: tempfile.TemporaryDirectory[str] | None = None

    def put(self, array: Array) -> int:
        """Keep an array; return its number."""
        number, self.next = self.next, self.next + 1
        if self.folder is not None:
            self._write(number, array)
        self._hold(number, array)
        return number

    def get(self, number: int) -> Array:
        """Return an array; it must not be changed.

        Raises:
            InputError: its file is gone or damaged.
        """
        if number in self.held:
            self.held.move_to_end(number)
            return self.held[number]
        path = self._path(number)
        try:
            array: Array = np.load(path, mmap_mode="r")
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"{path} is missing or damaged: begin again in another folder.") from error
        return array

    def keep_only(self, numbers: Collection[int]) -> None:
        """Forget all arrays but some."""
        for number in [number for number in self.held if number not in numbers]:
            self.held_bytes -= self.held.pop(number).nbytes
        for number in self.stored - set(numbers):
            self._path(number).unlink(missing_ok=True)
        self.stored &= set(numbers)

    def take_up(self, folder: Path, numbers: Collection[int]) -> None:
        """Go on with the arrays of a folder; those that are not wanted are removed.

        Raises:
            InputError: one is missing.
        """
        self.folder = folder
        there = {int(path.stem) for path in folder.glob("*.npy") if path.stem.isdigit()}
        missing = set(numbers) - there
        if missing:
            raise InputError(f"{self._path(min(missing))} is missing: begin again in another folder.")
        self.stored, self.next = there, max(there, default=-1) + 1
        self.keep_only(numbers)

    def _hold(self, number: int, array: Array) -> None:
        self.held[number] = array
        self.held_bytes += array.nbytes
        while self.held_bytes > self.budget and self.held:
            oldest, old = self.held.popitem(last=False)
            self.held_bytes -= old.nbytes
            if oldest not in self.stored:
                self._write(oldest, old)

    def _write(self, number: int, array: Array) -> None:
        with atomic_path(self._path(number)) as temporary:
            np.save(temporary, array)
        self.stored.add(number)

    def _path(self, number: int) -> Path:
        if self.folder is not None:
            return self.folder / f"{number}.npy"
        if self._temporary is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="interactive_")
        return Path(self._temporary.name) / f"{number}.npy"
