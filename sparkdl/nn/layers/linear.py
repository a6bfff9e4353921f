"""The affine map."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn import rng
from sparkdl.nn.kernels import gemm
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
        ctx.save(x)
        y = ctx.empty((*x.shape[:-1], self.out_features))
        bias = None if self.bias is None else self.bias.data
        gemm.affine(_matrix(y), _matrix(x), self.weight.data, bias)
        return y

    def backward(self, dy, ctx):
        (x,) = ctx.saved
        ctx.grad(self.weight, lambda out, rows: gemm.matmul(out, _matrix(x[rows]).T, _matrix(dy[rows])))
        if self.bias is not None:
            ctx.grad(self.bias, lambda out, rows: _matrix(dy[rows]).sum(0, out=out))
        if not ctx.needs[0]:
            return None
        dx = ctx.empty(x.shape)
        gemm.matmul(_matrix(dx), _matrix(dy), self.weight.data.T)
        return dx


def _matrix(x):
    """All vectors as the rows of a matrix (a view where ``x`` is contiguous)."""
    return x if x.ndim == 2 else x.reshape(-1, x.shape[-1])
