"""Plans a propagation: which frames, from which annotated frames, in which direction.

A drawn frame is annotated for some of the objects. One that is annotated for all objects divides the video:
masks are not propagated past it. One that is annotated for some objects is passed, and corrects these.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

END = 1 << 40  # after the last frame of any video
Annotated = Mapping[int, Collection[int]]  # labels that each drawn frame is annotated for


class Gap(NamedTuple):
    """A run of frames none of which is annotated for every object."""

    frames: range  # at least one
    shares: Mapping[int, Sequence[float | None]]  # by frame and object: weight of the backward pass
    forward: range  # frames of the forward pass, from the drawn frame where it starts; empty when not needed
    backward: range  # the same for the backward pass

    @property
    def is_whole(self) -> bool:
        """Tell whether all objects are propagated from the same drawn frames."""
        return all(len({*shares}) == 1 and None not in shares for shares in self.shares.values())

    @property
    def steps(self) -> int:
        """Number of frames that both passes compute."""
        return max(0, len(self.forward) - 1) + max(0, len(self.backward) - 1)


def gaps(
    annotated: Annotated,
    labels: Sequence[int],
    first: int,
    last: int,
    forward: bool = True,
    backward: bool = True,
) -> list[Gap]:
    """Return the gaps that a propagation through a range fills, in order.

    Args:
        annotated: labels by drawn frame, also outside of the range.
        labels: labels of all objects.
        first: first frame of the range.
        last: last frame of the range.
        forward: whether to propagate to later frames.
        backward: whether to propagate to earlier frames.
    """
    whole = [frame for frame in sorted(annotated) if set(labels) <= set(annotated[frame])]
    found = []
    for before, after in pairwise([-1, *whole, END]):
        frames = range(max(first, before + 1), min(last + 1, after))
        near = {frame: about for frame, about in annotated.items() if before <= frame <= after}
        if frames:
            found.append(_gap(near, labels, frames, forward, backward))
    return [gap for gap in found if gap.steps]


def _gap(annotated: Annotated, labels: Sequence[int], frames: range, forward: bool, backward: bool) -> Gap:
    sources = [sorted(frame for frame in annotated if label in annotated[frame]) for label in labels]
    shares = {frame: [_share(source, frame, forward, backward) for source in sources] for frame in frames}
    ahead = [frame for frame in frames if any(s is not None and s < 1 for s in shares[frame])]
    behind = [frame for frame in frames if any(s is not None and s > 0 for s in shares[frame])]
    there, back = range(0), range(0)
    if ahead:
        begin = max((f for f in annotated if f < ahead[0]), default=min(annotated))
        there = range(begin, ahead[-1] + 1)
    if behind:
        begin = min((f for f in annotated if f > behind[-1]), default=max(annotated))
        back = range(begin, behind[0] - 1, -1)
    return Gap(frames, shares, there, back)


def _share(source: Sequence[int], frame: int, forward: bool, backward: bool) -> float | None:
    """Return the weight of the backward pass, linear in the distance to both sources; None without a source.

    `source` are the frames annotated for the object, in order.
    """
    at, behind = bisect_right(source, frame), bisect_left(source, frame)
    before = source[at - 1] if forward and at > 0 else None
    after = source[behind] if backward and behind < len(source) else None
    if before is None:
        return None if after is None else 1.0
    if after is None or after == before:
        return 0.0
    return (frame - before) / (after - before)


def unsettled(found: Sequence[Gap], versions: Mapping[int, float], drawn: Collection[int]) -> list[Gap]:
    """Return the gaps with masks older than their drawn frames; without such gaps, return all gaps.

    Args:
        found: all gaps.
        versions: number of the last entry that filled each frame.
        drawn: frames from which masks are propagated.
    """
    return [gap for gap in found if _is_behind(gap, versions, drawn)] or list(found)


def _is_behind(gap: Gap, versions: Mapping[int, float], drawn: Collection[int]) -> bool:
    sources = {frame for frame in drawn if gap.frames.start - 1 <= frame <= gap.frames.stop}
    sources |= {passed[0] for passed in (gap.forward, gap.backward) if passed}
    newest = max(versions.get(frame, 0) for frame in sources)
    return any(
        versions.get(frame, 0) < newest
        for frame, shares in gap.shares.items()
        if frame not in sources and any(share is not None for share in shares)
    )
