"""Regions, each with the number of its picture, as maps of one size."""

from sparkdl.nn.layers.caffe_regions import CaffeRegions, not_turned
from sparkdl.nn.layers.roi_pool import interpolated, largest
from sparkdl.nn.layers.windows import sizes


class CaffeRoiPool(CaffeRegions):
    """`RoiPool` for one list of regions of the whole batch. For scoring: it has no gradient.

    A region whose end lies before its start is one place wide or high.

    Shapes
    ------
    inputs  x (batch, channels, height, width); regions (n, 5): number of the picture, x1, y1, x2, y2
    output  (n, channels, *output_size)

    Source: Girshick (2015), section 2.1; Caffe's ROIPooling.
    """

    def __init__(self, output_size, spatial_scale: float = 1.0) -> None:
        super().__init__()
        self.output_size, self.spatial_scale = output_size, spatial_scale
        self._size = sizes("CaffeRoiPool", "output_size", output_size, 2)

    def _pool(self, v, boxes):
        return largest(v, not_turned(boxes), self._size, self.spatial_scale)[0]


class CaffeRoiAlign(CaffeRegions):
    """`RoiAlign`, not aligned, for one list of regions of the whole batch. For scoring: it has no gradient.

    A region whose end lies before its start is one place wide or high.

    Shapes
    ------
    inputs  x (batch, channels, height, width); regions (n, 5): number of the picture, x1, y1, x2, y2
    output  (n, channels, *output_size)

    Source: He et al. (2017), section 3; Caffe2's RoIAlign.
    """

    def __init__(self, output_size, spatial_scale: float = 1.0, sampling_ratio: int = 0) -> None:
        super().__init__()
        self.output_size, self.spatial_scale, self.sampling_ratio = output_size, spatial_scale, sampling_ratio
        self._size = sizes("CaffeRoiAlign", "output_size", output_size, 2)

    def _pool(self, v, boxes):
        return interpolated(v, not_turned(boxes), self._size, self.spatial_scale, self.sampling_ratio, False)
