"""What layers share that pool one list of regions of the whole batch, each with the number of its picture."""

import numpy as np

from sparkdl.errors import DataError, ShapeError
from sparkdl.nn.layers.windows import last
from sparkdl.nn.module import Layer


class CaffeRegions(Layer):
    """A subclass says with ``_pool`` what a picture's regions give. For scoring: it has no gradient."""

    picks_samples = True

    def forward(self, x, regions, ctx):
        regions = regions.reshape(len(regions), -1) if len(regions) else regions.reshape(0, 5)
        if x.ndim != 4 or regions.shape[1] != 5:
            wanted = "(batch, channels, height, width) and regions (n, 5)"
            raise ShapeError(f"{self!r} takes {wanted}, got {x.shape} and {regions.shape}.")
        pictures, boxes = regions[:, 0].astype(np.int64), np.ascontiguousarray(regions[:, 1:], x.dtype)
        if pictures.size and not (0 <= pictures.min() and pictures.max() < len(x)):
            raise DataError(f"{self!r}: pictures run from 0 to {len(x) - 1}, got {pictures.min()} to {pictures.max()}.")
        y = np.zeros((len(regions), self._channels(x), *self._size), x.dtype)
        for i in np.unique(pictures):
            rows, v = pictures == i, np.ascontiguousarray(last(x[i : i + 1]))
            y[rows] = np.moveaxis(self._pool(v, boxes[None, rows])[0], -1, 1)
        return y

    def backward(self, dy, ctx):
        return None, None

    def _channels(self, x):
        return x.shape[1]

    def _pool(self, v, boxes):
        """Of a map (1, height, width, channels) and boxes (1, n, 4): (1, n, *size, channels)."""
        raise NotImplementedError


def not_turned(boxes):
    """``boxes`` whose ends do not lie before their starts."""
    return np.concatenate([boxes[..., :2], np.maximum(boxes[..., 2:], boxes[..., :2])], -1)
