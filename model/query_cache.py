"""Encoded frames that are kept for the next pass over them."""

from collections.abc import Callable

from torch import Tensor

from model.network import Query


class QueryCache:
    """Keeps query encodings within a budget; beyond it those farthest from the frame at hand go first.

    Passes run forth and back over stretches of a video: what lies near will be needed next.

    Args:
        budget: bytes.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.queries: dict[int, Query] = {}
        self.nbytes = 0

    def get(self, frame: int, encode: Callable[[], Query]) -> Query:
        """Return the encoding of a frame, made by `encode` unless it is kept."""
        if frame in self.queries:
            return self.queries[frame]
        query = encode()
        self.queries[frame] = query
        self.nbytes += size_of(query)
        while self.nbytes > self.budget:
            farthest = max(self.queries, key=lambda other: abs(other - frame))
            self.nbytes -= size_of(self.queries.pop(farthest))
        return query

    def clear(self) -> None:
        """Keep none."""
        self.queries.clear()
        self.nbytes = 0


def size_of(query: Query) -> int:
    """Return the bytes of an encoding."""
    decoder = query.decoder
    tensors: list[Tensor] = [query.key, *decoder.compress, decoder.skip_8, decoder.skip_4]
    return sum(tensor.nbytes for tensor in tensors)
