"""Samples of a batch, chosen by number."""

import numpy as np

from sparkdl.errors import DataError, ShapeError
from sparkdl.nn.module import Layer


class CaffeBatchReindex(Layer):
    """``y[i] = x[index[i]]``: samples picked, left out or repeated. For scoring: it has no gradient.

    Shapes
    ------
    inputs  x (batch, *), index (n,) of whole numbers from 0 to batch - 1
    output  (n, *)

    Source: Caffe's BatchReindex.
    """

    integers, picks_samples = True, True

    def forward(self, x, index, ctx):
        if index.ndim < 1 or index.size != len(index):
            raise ShapeError(f"{self!r} takes (batch, *) and numbers of samples (n,), got {x.shape} and {index.shape}.")
        places = index.reshape(-1).astype(np.int64)
        if places.size and not (0 <= places.min() and places.max() < len(x)):
            raise DataError(f"{self!r}: numbers run from 0 to {len(x) - 1}, got {places.min()} to {places.max()}.")
        return x[places]

    def backward(self, dy, ctx):
        return None, None
