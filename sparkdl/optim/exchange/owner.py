"""What the owner of a slice does: it holds the rule's state for the slice and updates its weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from sparkdl import memory
from sparkdl.kernel import num_threads
from sparkdl.optim.clip import Clip, as_clips
from sparkdl.optim.exchange.norms import Gather, Pieces

if TYPE_CHECKING:
    from sparkdl.optim.progress import Progress
    from sparkdl.optim.rules.base import UpdateRule
    from sparkdl.optim.segments import FlatSegment, Segment

BLOCK = 1 << 17  # elements per thread that are summed and updated before the next: they stay in its cache


class Owner:
    """Owns elements ``bounds[rank]`` of the flat vector; ``gather`` as in `Pieces`.

    ``clip`` is a clipping of the mean gradient, or several, one after the other.
    """

    def __init__(
        self,
        bounds: dict[int, slice],
        rank: int,
        dtype: np.dtype,
        segments: Sequence[FlatSegment],
        rule: UpdateRule,
        gather: Gather,
        clip: Clip | Sequence[Clip] | None = None,
    ) -> None:
        self.span, self.segments, self.rule, self.clips = bounds[rank], segments, rule, as_clips(clip)
        self.state = {slot: memory.zeros((self.span.stop - self.span.start,), dtype) for slot in rule.slots}
        self.look: Callable[[np.ndarray, int], None] | None = None  # sees the mean gradient from an element on
        self._apart = any(c.apart for c in self.clips)
        if rule.regularized or rule.norms or any(c.norms for c in self.clips):
            self._pieces = Pieces(segments, bounds, rank, gather)
        self._whole = bool(rule.regularized or rule.norms or self.clips)

    def update(
        self,
        w: np.ndarray,
        sums: Callable[[slice], np.ndarray],
        weight: float,
        step: int,
        progress: Progress | None,
    ) -> float:
        """The rule's step on ``w``, with the mean over the global ``weight`` of all gradients.

        ``sums(span)`` is the sum of all gradients of a span of the slice; its memory is written over. Returns what
        regularisers add to the mean loss.
        """
        runs = self.rule.segments(self.segments, self.span.start, self.span.stop, progress, self._apart)
        if not self._whole:  # then nothing that is done to an element depends on another one
            for run, span in _blocks(runs):
                state = {slot: vector[span] for slot, vector in self.state.items()}
                g = self._seen(_mean(sums(span), weight), span.start)
                run.rule.apply(w[span], g, state, step, run)
            return 0.0
        g = self._seen(_mean(sums(slice(0, w.size)), weight), 0)
        penalty = self._regularize(w, g, runs) if self.rule.regularized else 0.0
        for clip in self.clips:
            clip(g, runs, self._pieces.fill(w, g, runs) if clip.norms else 0.0)
        if self.rule.norms:
            self.rule.prepare(w, g, self.state, step, runs)
            self._pieces.fill(w, g, runs)
        self.rule.update(w, g, self.state, step, runs)
        return penalty

    def _seen(self, g: np.ndarray, start: int) -> np.ndarray:
        if self.look is not None:
            self.look(g, start)
        return g

    def _regularize(self, w: np.ndarray, g: np.ndarray, runs: Sequence[Segment]) -> float:
        """Adds the slopes of the penalties to ``g``; the penalty on all weights of all owners."""
        pieces = self._pieces
        penalties = np.zeros(len(pieces.starts))
        for run in runs:
            if (regularizer := run.options["regularizer"]) is not None:
                a, b = np.searchsorted(pieces.starts, (run.span.start, run.span.stop))
                penalties[a:b] = regularizer.penalties(w, pieces.starts[a:b], pieces.stops[a:b])
                regularizer.add_slope(g[run.span], w[run.span])
        return pieces.total(penalties)


def _mean(total: np.ndarray, weight: float) -> np.ndarray:
    """In place. A batch whose samples all weigh nothing has no gradient."""
    if weight <= 0:
        return total
    weight = total.dtype.type(weight)
    if np.frexp(weight)[0] == 0.5:  # a power of two, as most batches weigh: the same numbers in a third of the time
        return np.multiply(total, 1 / weight, out=total)
    return np.divide(total, weight, out=total)


def _blocks(runs: Sequence[Segment]) -> Iterator[tuple[Segment, slice]]:
    length = BLOCK * num_threads()
    for run in runs:
        for start in range(run.span.start, run.span.stop, length):
            yield run, slice(start, min(start + length, run.span.stop))
