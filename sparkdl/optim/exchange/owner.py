"""What the owner of a slice does: it holds the rule's state for the slice and updates its weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sparkdl.optim.exchange.norms import Gather, Norms

if TYPE_CHECKING:
    from sparkdl.optim.progress import Progress
    from sparkdl.optim.rules.base import UpdateRule
    from sparkdl.optim.segments import FlatSegment


class Owner:
    """Owns elements ``bounds[rank]`` of the flat vector; ``gather`` as in `Norms`.

    ``max_norm`` scales the gradient so that its norm over all parameters is at most that.
    """

    def __init__(
        self,
        bounds: dict[int, slice],
        rank: int,
        dtype: np.dtype,
        segments: Sequence[FlatSegment],
        rule: UpdateRule,
        gather: Gather,
        max_norm: float | None = None,
    ) -> None:
        self.span, self.segments, self.rule, self.max_norm = bounds[rank], segments, rule, max_norm
        self.state = {slot: np.zeros(self.span.stop - self.span.start, dtype) for slot in rule.slots}
        self._norms = Norms(segments, bounds, rank, gather) if rule.norms or max_norm else None

    def update(self, w: np.ndarray, g: np.ndarray, weight: float, step: int, progress: Progress | None) -> None:
        """Makes ``g``, the sum of all gradients, their mean over the global ``weight`` in place; then runs the rule."""
        if weight > 0:  # a batch whose samples all weigh nothing has no gradient
            np.divide(g, g.dtype.type(weight), out=g)
        runs = self.rule.segments(self.segments, self.span.start, self.span.stop, progress)
        if self._norms is not None:
            norm = self._norms.fill(w, g, runs, self.rule.norms)
            if self.max_norm and norm > self.max_norm:
                factor = self.max_norm / norm
                np.multiply(g, g.dtype.type(factor), out=g)
                for run in runs:
                    if "grad" in run.norms:
                        run.norms["grad"] *= factor
        self.rule.update(w, g, self.state, step, runs)
