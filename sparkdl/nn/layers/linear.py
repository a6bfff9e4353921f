"""The affine map."""

from math import prod

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn import rng
from sparkdl.nn.kernels import gemm, leaves
from sparkdl.nn.module import Layer
from sparkdl.nn.parameter import Parameter


class Linear(Layer):
    """``y = x @ weight.T + bias``.

    Shapes
    ------
    input   (batch, *, in_features)
    output  (batch, *, out_features)
    weight  (out_features, in_features), bias (out_features,): both from U(-1/sqrt(in_features), 1/sqrt(in_features))
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__()
        if not (in_features >= 1 and out_features >= 1):
            raise ShapeError(f"Linear: sizes must be >= 1, got {in_features!r} and {out_features!r}.")
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter(np.zeros((out_features, in_features), np.float32), axes=(1, 0))
        self.bias = Parameter(np.zeros(out_features, np.float32)) if bias else None
        self.reset_parameters()

    def config(self):
        return {**super().config(), "bias": self.bias is not None}

    def extra_repr(self):
        return f"{self.in_features}, {self.out_features}" + ("" if self.bias is not None else ", bias=False")

    def reset_parameters(self):
        bound = 1 / np.sqrt(self.in_features)
        for parameter in self.parameters():
            parameter.value = rng.generator().uniform(-bound, bound, parameter.shape)

    def forward(self, x, ctx):
        if x.shape[-1] != self.in_features or x.ndim < 2:
            raise ShapeError(
                f"{self!r} takes (batch, *, {self.in_features}), got {x.shape}; flatten pictures first, see nn.Flatten."
            )
        x = np.ascontiguousarray(x)
        ctx.save(x)
        y = rows_of((*x.shape[:-1], self.out_features), ctx)
        bias = None if self.bias is None else self.bias.data
        gemm.affine(_matrix(y), _matrix(x), self.weight.data, bias)  # row by row the same, whatever the batch
        return y

    def backward(self, dy, ctx):
        (x,) = ctx.saved
        dy = np.ascontiguousarray(dy)
        return affine_backward(self, x, dy, ctx)


def affine_backward(layer, x, dy, ctx):
    """The gradients of ``layer``'s weight and bias, and of ``x`` if it is needed; both arrays are contiguous."""
    places = x[0, ..., 0].size if len(x) else 1  # rows of the matrix per sample
    flat_x, flat_dy = _matrix(x), _matrix(dy)
    ctx.grad_tree(layer.weight, lambda out, bounds: leaves.product(out, flat_x, flat_dy, bounds * places))
    if layer.bias is not None:
        ctx.grad_tree(layer.bias, lambda out, bounds: leaves.column_sums(out, flat_dy, bounds * places))
    if not ctx.needs[0]:
        return None
    dx = rows_of(x.shape, ctx)
    gemm.matmul(_matrix(dx), flat_dy, layer.weight.data.T)
    return dx


def rows_of(shape, ctx):
    """Memory for an output whose vectors along the last axis lie one after another, also where pictures would not."""
    return ctx.empty((shape[0], prod(shape[1:]))).reshape(shape)


def _matrix(x):
    """All vectors of a contiguous array as the rows of a matrix."""
    return x.reshape(-1, x.shape[-1])
