"""Regions whose cells each look at channels of their own."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.kernel import njit
from sparkdl.nn.layers.caffe_regions import CaffeRegions


class CaffePsRoiPool(CaffeRegions):
    """``y[r, c, i, j]``: the mean of channel ``(c size + i) size + j`` in cell (i, j) of region r. It has no gradient.

    Corners are rounded before they are scaled. Cells start at ``floor`` and end at ``ceil``; an empty one gives 0.

    Shapes
    ------
    inputs  x (batch, output_dim * group_size**2, height, width); regions (n, 5): number of the picture, x1, y1, x2, y2
    output  (n, output_dim, group_size, group_size)

    Source: Dai et al. (2016), section 3; PSROIPooling of R-FCN's Caffe.
    """

    def __init__(self, output_dim: int, group_size: int, spatial_scale: float = 1.0) -> None:
        super().__init__()
        self.output_dim, self.group_size, self.spatial_scale = output_dim, group_size, spatial_scale
        self._size = (group_size, group_size)

    def _channels(self, x):
        if x.shape[1] != self.output_dim * self.group_size**2:
            raise ShapeError(f"{self!r} takes {self.output_dim * self.group_size**2} channels, got {x.shape}.")
        return self.output_dim

    def _pool(self, v, boxes):
        y = np.zeros((1, boxes.shape[1], *self._size, self.output_dim), v.dtype)
        _means(y[0], v[0], boxes[0], v.dtype.type(self.spatial_scale))
        return y


@njit
def _means(y, x, boxes, scale):
    size, half, least = y.shape[1], y.dtype.type(0.5), y.dtype.type(0.1)
    for r in range(len(y)):
        left, top = np.floor(boxes[r, 0] + half) * scale, np.floor(boxes[r, 1] + half) * scale
        wide = max((np.floor(boxes[r, 2] + half) + 1) * scale - left, least) / size
        high = max((np.floor(boxes[r, 3] + half) + 1) * scale - top, least) / size
        for i in range(size):
            y0 = min(max(int(np.floor(i * high + top)), 0), x.shape[0])
            y1 = min(max(int(np.ceil((i + 1) * high + top)), 0), x.shape[0])
            for j in range(size):
                x0 = min(max(int(np.floor(j * wide + left)), 0), x.shape[1])
                x1 = min(max(int(np.ceil((j + 1) * wide + left)), 0), x.shape[1])
                count = (y1 - y0) * (x1 - x0)
                if y1 <= y0 or x1 <= x0:
                    continue
                for a in range(y0, y1):
                    for b in range(x0, x1):
                        for c in range(y.shape[3]):
                            y[r, i, j, c] += x[a, b, (c * size + i) * size + j]
                for c in range(y.shape[3]):
                    y[r, i, j, c] /= count
