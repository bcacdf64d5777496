"""The rounds of an interactive session: which passes there are, and doing them."""

from collections.abc import Collection, Iterator, Sequence

from model.interactive_frames import InteractiveFrames
from model.interactive_history import History
from model.interactive_pass import RunningPass
from model.interactive_state import Pass, Round, State


class Rounds:
    """Does one round at a time; after each frame the state is whole.

    Args:
        frames: computes.
        history: keeps the state.
    """

    def __init__(self, frames: InteractiveFrames, history: History) -> None:
        self.frames = frames
        self.history = history
        self._running: RunningPass | None = None

    def run(
        self, sources: Sequence[int], kept: tuple[int, int], steps: Collection[int], goes_on: bool
    ) -> Iterator[int]:
        """Do a round; yield each frame that is kept when it is done.

        Its sources are pending no more when it is done, if it went both ways and kept the whole video.

        Args:
            sources: given frames to go from.
            kept: first and last frame whose results are kept.
            steps: 1 for forward, -1 for backward, or both.
            goes_on: with the round under way, if there is one, whatever the other arguments.
        """
        if not goes_on:
            self.give_up()
        state = self.history.state
        if state.round is None:
            passes = passes_of(state, sources, kept, len(self.frames.frames), steps)
            if not passes:
                return
            self.history.remember()
            is_whole = kept == (0, len(self.frames.frames) - 1) and len(steps) == 2
            state.round = Round(passes, kept, list(sources) if is_whole else [])
            self.history.save()
        current = state.round
        while current.passes:
            index, is_kept = self._do_next(state, current)
            if not current.passes:
                for source in current.sources:
                    state.pending.pop(source, None)
                state.round = None
            self.history.save()
            if is_kept:
                yield index
            if self.history.state.round is not current:  # it is done, or something else was done meanwhile
                return

    def give_up(self) -> None:
        """Leave the round under way, if there is one; what it did stays, and what was given is pending."""
        self.history.state.round = self._running = None

    def _do_next(self, state: State, current: Round) -> tuple[int, bool]:
        """Do the next frame of a round; return its number, and whether its result is kept."""
        this = current.passes[0]
        index = this.source + this.step if current.next is None else current.next
        if self._running is None:
            self._running = RunningPass(self.frames, state, current, self.history.folder is not None)
        is_kept = self._running.do(index)
        if current.next == this.stop:
            current.passes.pop(0)
            current.next, current.memory, self._running = None, [], None
        return index, is_kept


def passes_of(
    state: State, sources: Sequence[int], kept: tuple[int, int], count: int, steps: Collection[int]
) -> list[Pass]:
    """Return what a round has to do: all passes forward, then all backward.

    A pass runs from its source to the nearest given frame, or to an end of the video. Where both ends of a
    stretch are sources, the pass forward replaces what was there, which is older than both masks, and the one
    backward is fused with it.

    Args:
        state: of the session.
        sources: given frames to go from.
        kept: first and last frame whose results are wanted.
        count: frames of the video.
        steps: 1 for forward, -1 for backward, or both.
    """
    passes = []
    for step in sorted(steps, reverse=True):
        for source in sources:
            beyond = [frame for frame in state.given if (frame - source) * step > 0]
            bound = min(beyond, key=lambda frame: abs(frame - source), default=None)
            end = count if step > 0 else -1
            stop = end if bound is None else bound
            stop = min(stop, kept[1] + 1) if step > 0 else max(stop, kept[0] - 1)
            if (stop - source) * step <= 1:  # nothing lies between
                continue
            is_first_of_two = bound in sources and step > 0 and -1 in steps
            fuse = bound is not None and not is_first_of_two
            passes.append(Pass(source, step, stop, bound, fuse, state.pending.get(source)))
    return passes
