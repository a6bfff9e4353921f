"""Places of the largest values."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.layers.moving import axis_of
from sparkdl.nn.module import Layer


class TopKIndices(Layer):
    """Places (as floats) of the ``k`` largest values along ``dim``, largest first; of equal ones the last comes first.

    Without ``dim`` each sample is taken as one row, and the output is (batch, 1, k). With ``values`` the values come
    along: after the places without ``dim``, (batch, 2, k), in place of them with it. No gradient.

    Source: Caffe's ArgMax, which sorts pairs of value and place downwards.
    """

    def __init__(self, k: int = 1, dim: int | None = None, values: bool = False) -> None:
        super().__init__()
        if k < 1 or dim == 0:
            raise ShapeError(f"TopKIndices: k is at least 1 and dim not the batch, got {k} and {dim}.")
        self.k, self.dim, self.values = k, dim, values

    def forward(self, x, ctx):
        if self.dim is None:
            rows = x.reshape(len(x), int(np.prod(x.shape[1:])))
        else:
            rows = np.moveaxis(x, axis_of(self, x, self.dim), -1)
        if rows.shape[-1] < self.k:
            raise ShapeError(f"{self!r}: {self.k} values are wanted, an input of shape {x.shape} has {rows.shape[-1]}.")
        places = np.flip(np.argsort(rows, axis=-1, kind="stable"), axis=-1)[..., : self.k]
        best = np.take_along_axis(rows, places, axis=-1)
        if self.dim is None:
            parts = [places.astype(x.dtype), best] if self.values else [places.astype(x.dtype)]
            return np.stack(parts, axis=1)
        return np.moveaxis(best if self.values else places.astype(x.dtype), -1, self.dim)

    def backward(self, dy, ctx):
        return None
