"""Layer normalisation along any axes."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.module import Layer
from sparkdl.nn.parameter import Parameter


class AxisNorm(Layer):
    """``y = (x - mean) / sqrt(var + eps) * weight + bias`` over axes ``dims`` of each sample.

    Without ``centre`` the mean is not subtracted: ``y = x / sqrt(mean(x ** 2) + eps) * weight`` (RMS normalisation).

    Shapes
    ------
    input   (batch, *)
    output  the same
    weight, bias  ``shape``: the sizes of axes ``dims``, in rising order

    Source: Ba et al. (2016) with Keras's choice of axes; Zhang & Sennrich (2019).
    """

    def __init__(
        self, dims: tuple[int, ...], shape: tuple[int, ...], eps: float = 1e-3, scale: bool = True, shift: bool = True,
        centre: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.dims, self.shape, self.eps = tuple(sorted(dims)), tuple(shape), eps
        self.scale, self.shift, self.centre = scale, shift, centre
        if 0 in self.dims or len(self.dims) != len(self.shape):
            raise ShapeError(f"AxisNorm: one size per axis, none of them the batch, got {dims} and {shape}.")
        self.weight = Parameter(np.ones(self.shape, np.float32)) if scale else None
        self.bias = Parameter(np.zeros(self.shape, np.float32)) if shift else None

    def reset_parameters(self):
        if self.weight is not None:
            self.weight.data.fill(1)
        if self.bias is not None:
            self.bias.data.fill(0)

    def _full(self, x):
        sizes = dict(zip(self.dims, self.shape, strict=True))
        if any(axis >= x.ndim or x.shape[axis] != n for axis, n in sizes.items()):
            raise ShapeError(f"{self!r} does not fit an array of shape {x.shape}.")
        return tuple(sizes.get(i, 1) for i in range(x.ndim))

    def forward(self, x, ctx):
        full = self._full(x)
        centred = x - x.mean(axis=self.dims, keepdims=True) if self.centre else x
        inverse = 1 / np.sqrt((centred * centred).mean(axis=self.dims, keepdims=True) + x.dtype.type(self.eps))
        norm = centred * inverse
        ctx.save(norm, inverse, full)
        y = norm if self.weight is None else norm * self.weight.data.reshape(full)
        return y if self.bias is None else y + self.bias.data.reshape(full)

    def backward(self, dy, ctx):
        norm, inverse, full = ctx.saved
        others = tuple(i for i in range(dy.ndim) if i not in self.dims)
        if self.bias is not None:
            ctx.grad(self.bias, lambda out, rows: dy[rows].sum(axis=others, out=out))
        if self.weight is not None:
            ctx.grad(self.weight, lambda out, rows: (dy[rows] * norm[rows]).sum(axis=others, out=out))
            dy = dy * self.weight.data.reshape(full)
        along = (dy * norm).mean(axis=self.dims, keepdims=True) * norm
        across = dy.mean(axis=self.dims, keepdims=True) if self.centre else 0
        return (dy - across - along) * inverse
