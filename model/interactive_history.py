"""The state of an interactive session and those before it, in memory and in a folder."""

from pathlib import Path
from typing import Any

from model.array_store import ArrayStore
from model.interactive_state import State, read_states, remove_older, write_older, write_state
from util.errors import InputError
from util.files import remove_leftovers


class History:
    """Keeps what can be undone; arrays that no state needs are forgotten.

    Args:
        arrays: that states refer to.
        levels: changes that can be undone.
        settings: of the engine, recorded in its folder.
        folder: where each state is written; None for nowhere.

    Attributes:
        state: as it is now; changed in place between `remember` and `save`.
    """

    def __init__(
        self, arrays: ArrayStore, levels: int, settings: dict[str, Any], folder: Path | None
    ) -> None:
        self.arrays = arrays
        self.levels = levels
        self.settings = settings
        self.folder = folder
        self.state = State([])
        self.older: dict[int, State] = {}  # by number, the oldest first

    def remember(self) -> None:
        """Keep the state as it is, for `undo`."""
        number, state = max(self.older, default=-1) + 1, self.state.copy()
        state.round = None  # what a round that is given up remembers is not kept
        self.older[number] = state
        if self.folder is not None:
            write_older(self.folder, number, state)
        while len(self.older) > self.levels:
            del self.older[min(self.older)]

    def undo(self) -> None:
        """Bring back the state that was remembered last; raises InputError when there is none."""
        if not self.older:
            raise InputError("there is nothing to undo.")
        _, self.state = self.older.popitem()
        self.save()

    def save(self) -> None:
        """Write the state, and forget what it needs no more."""
        if self.folder is not None:
            write_state(self.folder, self.settings, self.state, list(self.older))
            remove_older(self.folder, self.older)
        self.arrays.keep_only(self._needed())

    def take_up(self, folder: Path) -> None:
        """Go on with the session of a folder, and tidy up after it; raises InputError when there is none."""
        _, self.state, self.older = read_states(folder)
        self.folder = folder
        remove_leftovers(folder)
        self.arrays.take_up(folder, self._needed())

    def _needed(self) -> set[int]:
        """Return the numbers of all arrays that the state and those before it need."""
        return {number for state in (self.state, *self.older.values()) for number in state.arrays()}
