"""Keeping gradients small before the update rule sees them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sparkdl.optim import checks
from sparkdl.optim.config import Configured
from sparkdl.optim.segments import Segment


class Clip(Configured):
    """``clip(g, segments, norm)`` changes the slice ``g`` of the mean gradient in place.

    Where ``norms`` is true, ``norm`` is that of the whole gradient and ``segment.norms["grad"]`` that of each whole
    parameter; both come from sums over fixed pieces of the flat vector, so they do not depend on slices.
    """

    norms = False  # whether norms are needed
    apart = False  # whether each parameter must be a segment of its own

    def __call__(self, g: np.ndarray, segments: Sequence[Segment], norm: float) -> None:
        raise NotImplementedError(f"{type(self).__name__} defines no __call__(g, segments, norm).")


class ClipValue(Clip):
    """Each element is brought into ``low .. high``; ``ClipValue(c)`` means ``-c .. c``."""

    def __init__(self, high: float, low: float | None = None) -> None:
        self.high, self.low = high, low
        if not (high > -high if low is None else high > low):
            raise ValueError(f"ClipValue: high must be above low, got high={high!r}, low={low!r}.")

    def __call__(self, g: np.ndarray, segments: Sequence[Segment], norm: float) -> None:
        np.clip(g, -self.high if self.low is None else self.low, self.high, out=g)


class ClipNorm(Clip):
    """The gradient as a whole is scaled by ``max_norm / (norm + 1e-6)`` where that is below 1, as in PyTorch."""

    norms = True

    def __init__(self, max_norm: float) -> None:
        self.max_norm = max_norm
        checks.positive(self, max_norm=max_norm)

    def __call__(self, g: np.ndarray, segments: Sequence[Segment], norm: float) -> None:
        _scale(g, self.max_norm, norm)


class ClipLayerNorm(Clip):
    """Each parameter's gradient is scaled by ``max_norm / (its norm + 1e-6)`` where that is below 1."""

    norms = True
    apart = True

    def __init__(self, max_norm: float) -> None:
        self.max_norm = max_norm
        checks.positive(self, max_norm=max_norm)

    def __call__(self, g: np.ndarray, segments: Sequence[Segment], norm: float) -> None:
        for s in segments:
            _scale(g[s.span], self.max_norm, s.norms["grad"])


def as_clips(clip: Clip | Sequence[Clip] | None) -> tuple[Clip, ...]:
    """None, one or several clippings as a tuple."""
    clips = () if clip is None else tuple(clip) if isinstance(clip, (list, tuple)) else (clip,)
    for each in clips:
        if not isinstance(each, Clip):
            raise ValueError(f"clip must be clippings such as optim.ClipNorm(5.0), got {each!r}.")
    return clips


def _scale(g: np.ndarray, most: float, norm: float) -> None:
    factor = most / (norm + 1e-6)
    if factor < 1:
        g *= g.dtype.type(factor)
