"""ReLUs with slopes that are learned, or drawn."""

from __future__ import annotations

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.kernel import elementwise
from sparkdl.nn.layers.draws import uniform
from sparkdl.nn.layers.relu import _leaky, _leaky_slope
from sparkdl.nn.module import Layer
from sparkdl.nn.parameter import Parameter

_leaky_by, _leaky_by_slope = elementwise(_leaky), elementwise(_leaky_slope)


class PReLU(Layer):
    """``y = x`` for x > 0, else ``weight * x``, with one weight, or one per channel.

    Shapes
    ------
    input, output  (batch, channels, *)
    weight         (num_parameters,), all ``init`` at the start

    Source: He et al. (2015), equation 1.
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25) -> None:
        super().__init__()
        if not num_parameters >= 1:
            raise ShapeError(f"PReLU: num_parameters must be >= 1, got {num_parameters!r}.")
        self.num_parameters, self.init = num_parameters, init
        self.weight = Parameter(np.full(num_parameters, init, np.float32))

    def reset_parameters(self):
        self.weight.data.fill(self.init)

    def _slopes(self, x):
        if self.num_parameters != 1 and (x.ndim < 2 or x.shape[1] != self.num_parameters):
            raise ShapeError(f"{self!r} takes (batch, {self.num_parameters}, *), got {x.shape}.")
        return self.weight.data.reshape(-1, *[1] * max(x.ndim - 2, 0))

    def forward(self, x, ctx):
        slopes = self._slopes(x)
        ctx.save(x)
        y = ctx.empty(x.shape)
        _leaky_by(y, x, slopes)
        return y

    def backward(self, dy, ctx):
        (x,) = ctx.saved

        def weights(out, rows):
            terms = np.minimum(x[rows], 0) * dy[rows]
            if self.num_parameters == 1:
                out[...] = np.ascontiguousarray(terms).sum()
            else:
                np.ascontiguousarray(np.moveaxis(terms, 1, -1)).reshape(-1, self.num_parameters).sum(0, out=out)

        ctx.grad(self.weight, weights)
        dx = ctx.empty(x.shape)
        _leaky_by_slope(dx, x, dy, self._slopes(x))
        return dx


class RReLU(Layer):
    """``y = x`` for x > 0, else ``a * x``: a is uniform in ``lower .. upper`` in training, their mean in eval mode.

    Source: Xu et al. (2015), section 3.4.
    """

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3) -> None:
        super().__init__()
        if not lower <= upper:
            raise ValueError(f"RReLU: lower must be <= upper, got {lower!r} and {upper!r}.")
        self.lower, self.upper = lower, upper

    def forward(self, x, ctx):
        share = uniform(ctx, x.shape) if ctx.training else 0.5
        factor = np.where(x > 0, 1, self.lower + (self.upper - self.lower) * share).astype(x.dtype)
        ctx.save(factor)
        return x * factor

    def backward(self, dy, ctx):
        return dy * ctx.saved[0]


class SReLU(Layer):
    """``y = x`` between two thresholds, straight lines of other slopes outside; all four are learned.

    ``y = t_r + a_r (x - t_r)`` for x >= t_r, ``t_l + a_l (x - t_l)`` for x <= t_l. ``shape`` is that of a sample;
    axes in ``shared`` (from 1) have one set of weights.

    Shapes
    ------
    input, output  (batch, *shape)
    t_left, a_left, t_right, a_right  shape, with 1 for shared axes; from 0, U(0, 1), U(0, 1), 1

    Source: Jin et al. (2015), equation 1; start as in Keras 1.
    """

    def __init__(self, shape, shared: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.shape = (int(shape),) if np.ndim(shape) == 0 else tuple(int(n) for n in shape)
        self.shared = tuple(shared)
        if any(not 1 <= axis <= len(self.shape) for axis in self.shared):
            raise ShapeError(f"SReLU: shared axes run from 1 to {len(self.shape)}, got {shared!r}.")
        own = tuple(1 if i in self.shared else n for i, n in enumerate(self.shape, start=1))
        for name in ("t_left", "a_left", "t_right", "a_right"):
            setattr(self, name, Parameter(np.zeros(own, np.float32)))
        self.reset_parameters()

    def reset_parameters(self):
        from sparkdl.nn import rng

        self.t_left.data.fill(0)
        self.a_right.data.fill(1)
        for p in (self.a_left, self.t_right):
            p.value = rng.generator().uniform(0, 1, p.shape)

    def _lines(self):
        tl, al, ar = self.t_left.data, self.a_left.data, self.a_right.data
        return tl, al, tl + np.abs(self.t_right.data), ar  # so that the right threshold is never left of the left one

    def forward(self, x, ctx):
        if x.shape[1:] != self.shape:
            raise ShapeError(f"{self!r} takes (batch, {', '.join(map(str, self.shape))}), got {x.shape}.")
        ctx.save(x)
        tl, al, tr, ar = self._lines()
        return np.where(x >= tr, tr + ar * (x - tr), np.where(x <= tl, tl + al * (x - tl), x))

    def backward(self, dy, ctx):
        (x,) = ctx.saved
        tl, al, tr, ar = self._lines()
        right = x >= tr
        left = ~right & (x <= tl)
        axes = tuple(i for i, n in enumerate(self.t_left.shape) if n == 1)

        def give(parameter, terms):
            ctx.grad(parameter, lambda out, rows: out.__setitem__(..., terms[rows].sum(0).sum(axes, keepdims=True)))

        by_threshold = np.where(right, dy * (1 - ar), 0)
        give(self.t_left, by_threshold + np.where(left, dy * (1 - al), 0))
        give(self.t_right, by_threshold * np.sign(self.t_right.data))
        give(self.a_left, np.where(left, dy * (x - tl), 0))
        give(self.a_right, np.where(right, dy * (x - tr), 0))
        return np.where(right, dy * ar, np.where(left, dy * al, dy))
