"""Learned factors and summands."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.module import Layer
from sparkdl.nn.parameter import Parameter


class ScaleShift(Layer):
    """``y = x * weight + bias``, where both have ``shape`` and lie along the sample's axes from ``dim`` on.

    Shapes
    ------
    input   (batch, *)
    output  the same
    weight, bias  ``shape``; sizes of 1 are stretched. Either may be absent. They start as ones and zeros.

    Source: Caffe's layers Scale and Bias.
    """

    def __init__(self, shape: tuple[int, ...], dim: int = 1, scale: bool = True, shift: bool = True) -> None:
        super().__init__()
        self.shape, self.dim, self.scale, self.shift = tuple(int(n) for n in shape) or (1,), dim, scale, shift
        if not shape:  # one number for all
            self.dim = -1
        if not (scale or shift):
            raise ShapeError("ScaleShift: neither scale nor shift leaves nothing to do; use nn.Identity.")
        self.weight = Parameter(np.ones(self.shape, np.float32)) if scale else None
        self.bias = Parameter(np.zeros(self.shape, np.float32)) if shift else None

    def reset_parameters(self):
        if self.weight is not None:
            self.weight.data.fill(1)
        if self.bias is not None:
            self.bias.data.fill(0)

    def _axis(self, x):
        axis = self.dim % x.ndim
        wanted = x.shape[axis : axis + len(self.shape)]
        fits = len(wanted) == len(self.shape) and all(n in (1, m) for n, m in zip(self.shape, wanted, strict=True))
        if axis == 0 or not fits:
            raise ShapeError(f"{self!r} does not fit an array of shape {x.shape}.")
        return axis

    def forward(self, x, ctx):
        axis = self._axis(x)
        full = (*self.shape, *[1] * (x.ndim - axis - len(self.shape)))
        ctx.save(x, axis, full)
        y = x if self.weight is None else x * self.weight.data.reshape(full)
        return y if self.bias is None else y + self.bias.data.reshape(full)

    def backward(self, dy, ctx):
        x, axis, full = ctx.saved
        if self.weight is not None:
            ctx.grad(self.weight, lambda out, rows: self._sum(out, x[rows] * dy[rows], axis, full))
        if self.bias is not None:
            ctx.grad(self.bias, lambda out, rows: self._sum(out, dy[rows], axis, full))
        return dy if self.weight is None else dy * self.weight.data.reshape(full)

    def _sum(self, out, terms, axis, full):
        """Sums ``terms`` over the batch and all axes along which the parameter is stretched."""
        stretched = tuple(i + axis for i, n in enumerate(full) if n == 1)
        out[...] = terms.sum(axis=(*range(axis), *stretched)).reshape(out.shape)
