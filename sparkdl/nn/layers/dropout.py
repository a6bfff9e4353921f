"""Layers that take away values at random while training; in eval mode they do nothing."""

from __future__ import annotations

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.layers.draws import kept, uniform
from sparkdl.nn.layers.layout import check_format, either_layout
from sparkdl.nn.module import Layer


class Dropout(Layer):
    """``y = x / (1 - p)`` with probability 1 - p, else 0; ``y = x`` in eval mode.

    Source: Srivastava et al. (2014), section 4, scaled while training instead of after it.
    """

    rank: int | None = None  # None: each value by itself; else whole channels of inputs of this rank

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"{type(self).__name__}: p lies in 0 .. 1, got {p!r}.")
        self.p = p

    def _kept(self, x, ctx):
        """Which values stay, of ``x``'s shape or one that broadcasts to it."""
        if self.rank is not None and x.ndim != self.rank:
            raise ShapeError(f"{self!r} takes arrays of {self.rank} axes, (batch, channels, *), got {x.shape}.")
        shape = x.shape if self.rank is None else (*x.shape[:2], *[1] * (x.ndim - 2))
        return uniform(ctx, shape) >= self.p

    def forward(self, x, ctx):
        if not ctx.training or self.p == 0:
            ctx.save(None)
            return x
        factor = 0 if self.p == 1 else 1 / (1 - self.p)
        if self.rank is None:
            scale = kept(ctx, x, self.p, factor)
        else:
            scale = self._kept(x, ctx) * x.dtype.type(factor)
        ctx.save(scale)
        return np.multiply(x, scale, out=ctx.empty(x.shape))

    def backward(self, dy, ctx):
        (scale,) = ctx.saved
        return dy if scale is None else dy * scale


class _ChannelDropout(Dropout):
    def __init__(self, p: float = 0.5, data_format: str = "NCHW") -> None:
        super().__init__(p)
        self.data_format = check_format(self, data_format)

    @either_layout
    def forward(self, x, ctx):
        return super().forward(x, ctx=ctx)

    @either_layout
    def backward(self, dy, ctx):
        return super().backward(dy, ctx=ctx)


class Dropout1d(_ChannelDropout):
    """Dropout of whole channels of ``(batch, channels, length)``.  Source: Tompson et al. (2014), section 3.2."""

    rank = 3


class Dropout2d(_ChannelDropout):
    """Dropout of whole channels of ``(batch, channels, height, width)``.  Source: Tompson et al. (2014)."""

    rank = 4


class Dropout3d(_ChannelDropout):
    """Dropout of whole channels of ``(batch, channels, depth, height, width)``."""

    rank = 5


class AlphaDropout(Dropout):
    """Sets values to SELU's lowest with probability p, then shifts and scales so that mean 0 and variance 1 stay.

    Source: Klambauer et al. (2017), section 3, "new dropout technique".
    """

    lowest = -1.7580993408473766  # -scale * alpha of SELU

    def forward(self, x, ctx):
        if not ctx.training or self.p == 0:
            ctx.save(None)
            return x
        if self.p == 1:
            ctx.save(np.zeros((), x.dtype))
            return np.zeros_like(x)
        kept = self._kept(x, ctx)
        scale = ((1 - self.p) * (1 + self.p * self.lowest**2)) ** -0.5
        ctx.save(kept * x.dtype.type(scale))
        return np.where(kept, x, x.dtype.type(self.lowest)) * x.dtype.type(scale) - x.dtype.type(
            scale * self.p * self.lowest
        )
