"""Which passes a round of the interactive engine consists of."""

from collections.abc import Collection, Sequence

from model.interactive_state import Pass, State


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
