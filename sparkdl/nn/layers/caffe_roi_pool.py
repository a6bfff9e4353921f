"""Regions, each with the number of its picture, as maps of one size."""

import numpy as np

from sparkdl.errors import DataError, ShapeError
from sparkdl.nn.layers.roi_pool import largest
from sparkdl.nn.layers.windows import last, sizes
from sparkdl.nn.module import Layer


class CaffeRoiPool(Layer):
    """`RoiPool` for one list of regions of the whole batch. For scoring: it has no gradient.

    A region whose end lies before its start is one place wide or high.

    Shapes
    ------
    inputs  x (batch, channels, height, width); regions (n, 5): number of the picture, x1, y1, x2, y2
    output  (n, channels, *output_size)

    Source: Girshick (2015), section 2.1; Caffe's ROIPooling.
    """

    picks_samples = True

    def __init__(self, output_size, spatial_scale: float = 1.0) -> None:
        super().__init__()
        self.output_size, self.spatial_scale = output_size, spatial_scale
        self._size = sizes("CaffeRoiPool", "output_size", output_size, 2)

    def forward(self, x, regions, ctx):
        regions = regions.reshape(len(regions), -1) if len(regions) else regions.reshape(0, 5)
        if x.ndim != 4 or regions.shape[1] != 5:
            wanted = "(batch, channels, height, width) and regions (n, 5)"
            raise ShapeError(f"{self!r} takes {wanted}, got {x.shape} and {regions.shape}.")
        pictures, boxes = regions[:, 0].astype(np.int64), np.ascontiguousarray(regions[:, 1:], x.dtype)
        if pictures.size and not (0 <= pictures.min() and pictures.max() < len(x)):
            raise DataError(f"{self!r}: pictures run from 0 to {len(x) - 1}, got {pictures.min()} to {pictures.max()}.")
        boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2])
        y = np.zeros((len(regions), x.shape[1], *self._size), x.dtype)
        for i in np.unique(pictures):
            rows, v = pictures == i, np.ascontiguousarray(last(x[i : i + 1]))
            made, _ = largest(v, boxes[None, rows], self._size, self.spatial_scale)
            y[rows] = np.moveaxis(made[0], -1, 1)
        return y

    def backward(self, dy, ctx):
        return None, None
