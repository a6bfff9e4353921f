"""Half of the values gates the other half."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.layers.sigmoid import Sigmoid
from sparkdl.nn.module import Layer


class GLU(Layer):
    """``y = a * sigmoid(b)``, a and b the halves of ``x`` along axis ``dim``.

    Source: Dauphin et al. (2016), equation 1.
    """

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        if dim == 0:
            raise ShapeError("GLU: axis 0 is the batch; dim must not be 0.")
        self.dim = dim

    def forward(self, x, ctx):
        if not -x.ndim < self.dim < x.ndim or x.shape[self.dim] % 2:
            raise ShapeError(f"{self!r} halves axis {self.dim}, got an array of shape {x.shape}.")
        a, b = np.split(x, 2, axis=self.dim)
        gate = np.empty_like(b)
        Sigmoid.value(gate, b)
        ctx.save(a, gate)
        return a * gate

    def backward(self, dy, ctx):
        a, gate = ctx.saved
        return np.concatenate([dy * gate, dy * a * gate * (1 - gate)], axis=self.dim)
