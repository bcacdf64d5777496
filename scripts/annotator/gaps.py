"""Which frames a propagation works out, from which drawn frames, and in which direction.

A drawn frame speaks of some objects: those that a person drew, rubbed out or left as they were there. One
that speaks of all objects parts the video: nothing is carried beyond it. One that speaks of some is passed,
and corrects those.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

Spoken = Mapping[int, Collection[int]]  # drawn frames, and the labels that they speak of


@dataclass(frozen=True)
class Gap:
    """Frames in a row in which no drawn frame speaks of all objects.

    Attributes:
        frames: at least one.
        shares: for each frame and object, how much is carried backward, from behind it: 0 to 1; None when
            nothing is carried to it at all.
        forward: the pass forward: the drawn frame that it starts from, then the frames up to the last it is
            needed for; empty when it is not needed.
        backward: the same of the pass backward.
    """

    frames: range
    shares: Mapping[int, Sequence[float | None]]
    forward: range
    backward: range

    @property
    def is_whole(self) -> bool:
        """Tell whether all objects come from the same drawn frames, everywhere in it."""
        return all(len({*shares}) == 1 and None not in shares for shares in self.shares.values())

    @property
    def steps(self) -> int:
        """Frames of both passes, without those that they start from."""
        return max(0, len(self.forward) - 1) + max(0, len(self.backward) - 1)


def gaps(
    spoken: Spoken, labels: Sequence[int], first: int, last: int, forward: bool = True, backward: bool = True
) -> list[Gap]:
    """Return the gaps of a range of frames that a propagation in these directions fills, in order.

    Args:
        spoken: drawn frames; those outside of the range count, too.
        labels: of all objects.
        first: frame of the range.
        last: frame of the range.
        forward: carry masks to later frames.
        backward: carry masks to earlier frames.
    """
    whole = [frame for frame in sorted(spoken) if set(labels) <= set(spoken[frame])]
    found = []
    for before, after in pairwise([None, *whole, None]):
        start = first if before is None else max(first, before + 1)
        stop = last + 1 if after is None else min(last + 1, after)
        if start < stop:
            near = {
                frame: spoken[frame]
                for frame in spoken
                if (before is None or frame >= before) and (after is None or frame <= after)
            }
            gap = _gap(near, labels, range(start, stop), forward, backward)
            if gap.steps:
                found.append(gap)
    return found


def _gap(spoken: Spoken, labels: Sequence[int], frames: range, forward: bool, backward: bool) -> Gap:
    sources = [sorted(frame for frame in spoken if label in spoken[frame]) for label in labels]
    shares = {frame: [_share(source, frame, forward, backward) for source in sources] for frame in frames}
    ahead = [frame for frame in frames if any(s is not None and s < 1 for s in shares[frame])]
    behind = [frame for frame in frames if any(s is not None and s > 0 for s in shares[frame])]
    there, back = range(0), range(0)
    if ahead:
        begin = max((f for f in spoken if f < ahead[0]), default=min(spoken))
        there = range(begin, ahead[-1] + 1)
    if behind:
        begin = min((f for f in spoken if f > behind[-1]), default=max(spoken))
        back = range(begin, behind[0] - 1, -1)
    return Gap(frames, shares, there, back)


def _share(source: Sequence[int], frame: int, forward: bool, backward: bool) -> float | None:
    """Return how much of an object on a frame is carried backward: the nearer its source, the more.

    Args:
        source: drawn frames that speak of the object, in order.
        frame: the frame.
        forward: something may be carried from before it.
        backward: something may be carried from behind it.
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
    """Return the gaps that have to be filled (again); all of them when none has.

    A gap is settled when all that was carried into it is newer than the drawn frames that it comes from, so
    that one which an earlier propagation left out, or did not reach, is filled by the next.

    Args:
        found: all gaps.
        versions: of the frames that have masks: the number of the last entry that filled each.
        drawn: frames that masks are carried from.
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
