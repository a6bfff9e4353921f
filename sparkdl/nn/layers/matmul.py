"""Products of matrices."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.module import Layer


class MatMul(Layer):
    """``y[i] = x0[i] @ x1[i]`` for each sample i.

    Shapes
    ------
    inputs  (batch, *, n, k) and (batch, *, k, m)
    output  (batch, *, n, m)
    """

    def __init__(self, transpose_a: bool = False, transpose_b: bool = False) -> None:
        super().__init__()
        self.transpose_a, self.transpose_b = transpose_a, transpose_b

    def forward(self, a, b, ctx):
        if a.ndim != b.ndim or a.ndim < 3:
            raise ShapeError(f"{self!r} takes (batch, *, n, k) and (batch, *, k, m), got {a.shape}, {b.shape}.")
        left, right = _turned(a, self.transpose_a), _turned(b, self.transpose_b)
        if left.shape[:-2] != right.shape[:-2] or left.shape[-1] != right.shape[-2]:
            raise ShapeError(f"{self!r} takes (batch, *, n, k) and (batch, *, k, m), got {left.shape}, {right.shape}.")
        ctx.save(a, b)
        return np.matmul(left, right)

    def backward(self, dy, ctx):
        a, b = ctx.saved
        da = np.matmul(dy, _turned(_turned(b, self.transpose_b), True))
        db = np.matmul(_turned(_turned(a, self.transpose_a), True), dy)
        return _turned(da, self.transpose_a), _turned(db, self.transpose_b)


def _turned(x, turn):
    return x.swapaxes(-1, -2) if turn else x
