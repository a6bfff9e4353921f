"""Sums over whole parameters, the same however the flat vector is cut into slices.

They are taken in float64 over pieces: chunks of 1,024 elements of the flat vector, cut at parameters' ends. A slice
ends on a chunk's end, so each piece is summed by one owner; the pieces are then added in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sparkdl.optim.exchange.member import CHUNK
from sparkdl.optim.segments import FlatSegment, Segment
from sparkdl.optim.sums import square_sums

Gather = Callable[[np.ndarray, Sequence[int]], list[np.ndarray]]  # values, how many each rank has


class Pieces:
    """The pieces of slice ``bounds[rank]`` of a vector with ``segments``.

    ``gather`` brings the pieces of all owners together; ``bounds`` lists their slices in ascending order. All owners
    call each method, and get the same answer. ``starts`` and ``stops`` count from the slice's start.
    """

    def __init__(self, segments: Sequence[FlatSegment], bounds: dict[int, slice], rank: int, gather: Gather) -> None:
        self._owners, self._gather = list(bounds), gather
        all_starts = [np.array([s.start, *range(s.start - s.start % CHUNK + CHUNK, s.stop, CHUNK)]) for s in segments]
        all_stops = [np.append(a[1:], s.stop) for a, s in zip(all_starts, segments, strict=True)]
        starts, stops = (np.concatenate([np.zeros(0, np.int64), *part]) for part in (all_starts, all_stops))
        of = {r: (span.start <= starts) & (starts < span.stop) for r, span in bounds.items()}
        self.starts, self.stops = (part[of[rank]] - bounds[rank].start for part in (starts, stops))
        self._counts = [int(of[r].sum()) for r in range(len(bounds))]
        self._first = np.cumsum([0, *map(len, all_starts)])
        self._names = [s.name for s in segments]

    def total(self, mine: np.ndarray) -> float:
        """The sum over all pieces of all owners; ``mine`` are those of this slice."""
        return float(self._everyone(mine[None])[0].sum())

    def norms(self, *vectors: np.ndarray) -> list[dict[str, float]]:
        """The norm of each whole parameter, by name, in each of ``vectors``; under the name "" that of all."""
        mine = np.zeros((len(vectors), len(self.starts)))
        for out, vector in zip(mine, vectors, strict=True):
            square_sums(out, vector, self.starts, self.stops)
        found = []
        for row in self._everyone(mine):
            spans = zip(self._names, self._first, self._first[1:], strict=False)
            squares = {name: float(row[a:b].sum()) for name, a, b in spans}
            found.append({name: total**0.5 for name, total in {**squares, "": sum(squares.values())}.items()})
        return found

    def fill(self, w: np.ndarray, g: np.ndarray, segments: Sequence[Segment]) -> float:
        """Sets the norms "weight" and "grad" of each segment; returns the norm of the whole gradient."""
        weight, grad = self.norms(w, g)
        for s in segments:
            s.norms = {"weight": weight[s.name], "grad": grad[s.name]}
        return grad[""]

    def _everyone(self, mine: np.ndarray) -> np.ndarray:
        """``(rows, own pieces)`` of all owners side by side: ``(rows, pieces)``."""
        everyone = self._gather(mine.reshape(-1), [len(mine) * count for count in self._counts])
        return np.concatenate([everyone[rank].reshape(len(mine), -1) for rank in self._owners], axis=1)
