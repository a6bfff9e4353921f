"""Products of matrices with vectors."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.module import Layer


class MV(Layer):
    """``y[n] = a[n] @ v[n]`` for each sample; ``a[n].T @ v[n]`` with ``transpose``.

    Shapes
    ------
    inputs  a (batch, m, k), or (batch, k, m) transposed, and v (batch, k)
    output  (batch, m)
    """

    def __init__(self, transpose: bool = False) -> None:
        super().__init__()
        self.transpose = transpose

    def forward(self, a, v, ctx):
        m = a.swapaxes(-1, -2) if self.transpose and a.ndim == 3 else a
        if m.ndim != 3 or v.ndim != 2 or m.shape[2] != v.shape[1]:
            raise ShapeError(f"{self!r} takes (batch, m, k) and (batch, k), got {a.shape} and {v.shape}.")
        ctx.save(m, v)
        return np.ascontiguousarray(m * v[:, None, :]).sum(2)

    def backward(self, dy, ctx):
        m, v = ctx.saved
        da = dy[:, :, None] * v[:, None, :]
        dv = np.ascontiguousarray((m * dy[:, :, None]).swapaxes(1, 2)).sum(2)
        return (da.swapaxes(-1, -2) if self.transpose else da), dv
