"""Running sums and products along an axis."""

import numpy as np

from sparkdl.nn.layers.moving import axis_of
from sparkdl.nn.module import Layer


class _Running(Layer):
    """What needs no more than an axis."""

    def __init__(self, dim: int = 1) -> None:
        super().__init__()
        self.dim = dim


class CumSum(_Running):
    """``y[i] = x[0] + ... + x[i]`` along axis ``dim``.

    Shapes
    ------
    input, output  (batch, *)
    """

    def forward(self, x, ctx):
        return np.cumsum(x, axis_of(self, x, self.dim), x.dtype)

    def backward(self, dy, ctx):
        return _from_behind(dy, self.dim)


class CumProd(_Running):
    """``y[i] = x[0] * ... * x[i]`` along axis ``dim``.

    Shapes
    ------
    input, output  (batch, *)
    """

    def forward(self, x, ctx):
        ctx.save(x)
        return np.cumprod(x, axis_of(self, x, self.dim), x.dtype)

    def backward(self, dy, ctx):
        (x,) = ctx.saved
        rows, slopes = np.moveaxis(x, self.dim, -1), np.moveaxis(dy, self.dim, -1)
        dx = np.empty_like(rows)
        before = np.ones_like(rows[..., 0])
        # without division, so that a 0 among the values does no harm: x[i] meets the products of all behind it
        for i in range(rows.shape[-1]):
            behind = np.concatenate([before[..., None], rows[..., i + 1 :]], -1)
            dx[..., i] = (np.cumprod(behind, -1) * slopes[..., i:]).sum(-1)
            before = before * rows[..., i]
        return np.moveaxis(dx, -1, self.dim)


def _from_behind(values, axis):
    return np.flip(np.cumsum(np.flip(values, axis), axis, values.dtype), axis)
