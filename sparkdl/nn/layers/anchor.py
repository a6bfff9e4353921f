"""Boxes of several sizes and shapes around each place of a feature map."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.module import Layer


class Anchor(Layer):
    """The boxes of Faster R-CNN: each ratio (height / width) of a square of ``base_size``, rounded, times each scale.

    Shapes
    ------
    input   (batch, *, rows, columns); only its shape matters
    output  (batch, rows * columns * boxes, 4): x1, y1, x2, y2 in pixels, both of which belong to the box; boxes of a
            place side by side. No gradient.

    Source: Ren et al. (2015), section 3.1.1, and the numbers of its code.
    """

    def __init__(self, ratios=(0.5, 1.0, 2.0), scales=(8.0, 16.0, 32.0), base_size: int = 16, stride: int = 16) -> None:
        super().__init__()
        self.ratios, self.scales, self.base_size, self.stride = tuple(ratios), tuple(scales), base_size, stride
        if not all(v > 0 for v in (*self.ratios, *self.scales, base_size, stride)):
            raise ShapeError(f"Anchor: ratios, scales, base_size and stride are above 0, got {self!r}.")

    def forward(self, feature, ctx):
        if feature.ndim != 4:
            raise ShapeError(f"{self!r} takes (batch, channels, rows, columns), got {feature.shape}.")
        rows, columns = feature.shape[2:]
        boxes = anchors(rows, columns, self.ratios, self.scales, self.base_size, self.stride)
        return np.repeat(boxes.astype(ctx.dtype)[None], len(feature), axis=0)

    def backward(self, dy, ctx):
        return None


def anchors(rows: int, columns: int, ratios, scales, base_size: int = 16, stride: int = 16) -> np.ndarray:
    """The boxes of all places, float64 ``(rows * columns * boxes, 4)``."""
    middle, boxes = (base_size - 1) / 2, []
    for ratio in ratios:
        wide = np.round(np.sqrt(base_size * base_size / ratio))
        high = np.round(wide * ratio)
        for scale in scales:
            across, down = (wide * scale - 1) / 2, (high * scale - 1) / 2
            boxes.append((middle - across, middle - down, middle + across, middle + down))
    y, x = np.mgrid[:rows, :columns] * float(stride)
    places = np.stack([x, y, x, y], axis=-1)[:, :, None]
    return (places + np.array(boxes).reshape(-1, 4)).reshape(-1, 4)
