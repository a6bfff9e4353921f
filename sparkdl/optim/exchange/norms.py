"""Norms of whole parameters, the same however the flat vector is cut into slices.

Squares are summed in float64 over pieces: chunks of 1,024 elements of the flat vector, cut at parameters' ends. A slice
ends on a chunk's end, so each piece is summed by one owner; the pieces are then added in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sparkdl.optim.exchange.member import CHUNK
from sparkdl.optim.segments import FlatSegment, Segment

Gather = Callable[[np.ndarray, Sequence[int]], list[np.ndarray]]  # values, how many each rank has


class Norms:
    """Fills ``segment.norms`` for the owner of slice ``bounds[rank]`` of a vector with ``segments``.

    ``gather`` brings the pieces of all owners together; ``bounds`` lists their slices in ascending order.
    """

    def __init__(self, segments: Sequence[FlatSegment], bounds: dict[int, slice], rank: int, gather: Gather) -> None:
        self._span, self._owners, self._gather = bounds[rank], list(bounds), gather
        pieces = [(a, min(a - a % CHUNK + CHUNK, s.stop)) for s in segments for a in _starts(s.start, s.stop)]
        of = {r: [(a, b) for a, b in pieces if span.start <= a < span.stop] for r, span in bounds.items()}
        self._mine = of[rank]
        self._counts = [2 * len(of[r]) for r in range(len(bounds))]
        self._first = np.cumsum([0, *(len(_starts(s.start, s.stop)) for s in segments)])
        self._names = [s.name for s in segments]

    def fill(self, w: np.ndarray, g: np.ndarray, segments: Sequence[Segment], kinds: Sequence[str]) -> float:
        """Sets ``norms[kind]`` of each segment to the parameter's norm; returns the norm of the whole gradient."""
        mine = np.array([self._squares(w), self._squares(g)])
        everyone = self._gather(mine.reshape(-1), self._counts)
        pieces = np.concatenate([everyone[rank].reshape(2, -1) for rank in self._owners], axis=1)
        squares = [
            {name: float(row[a:b].sum()) for name, a, b in zip(self._names, self._first, self._first[1:], strict=False)}
            for row in pieces
        ]
        for segment in segments:
            known = {"weight": squares[0][segment.name], "grad": squares[1][segment.name]}
            segment.norms = {kind: known[kind] ** 0.5 for kind in kinds}
        return float(sum(squares[1].values())) ** 0.5

    def _squares(self, vector: np.ndarray) -> list[float]:
        at = self._span.start
        wide = (vector[a - at : b - at].astype(np.float64) for a, b in self._mine)
        return [float((x * x).sum()) for x in wide]


def _starts(start: int, stop: int) -> list[int]:
    """Where the pieces of a parameter begin."""
    return [start, *range(start - start % CHUNK + CHUNK, stop, CHUNK)]
