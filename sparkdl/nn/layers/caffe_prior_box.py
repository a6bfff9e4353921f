"""Default boxes of single-shot detectors, in Caffe's order."""

from math import sqrt

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.module import Layer


class CaffePriorBox(Layer):
    """Boxes of several sizes and shapes around each place of a feature map, relative to the picture; their variances.

    At each place: for each min size the square of it, then (with a max size) that of ``sqrt(min * max)``, then one box
    per aspect ratio other than 1. ``step`` (height, width) 0 is picture size / map size.

    Shapes
    ------
    inputs  feature map (batch, *, rows, columns), picture (batch, *, height, width); only their shapes matter
    output  (batch, 2, rows * columns * boxes * 4): x1, y1, x2, y2 of the boxes; their variances

    Source: Liu et al. (2016), Caffe's SSD branch.
    """

    def __init__(
        self, min_sizes, max_sizes=(), aspect_ratios=(), flip=True, clip=False, variances=(0.1,), image_size=None,
        step=(0.0, 0.0), offset=0.5,
    ) -> None:  # fmt: skip
        super().__init__()
        self.min_sizes, self.max_sizes, self.aspect_ratios = tuple(min_sizes), tuple(max_sizes), tuple(aspect_ratios)
        self.flip, self.clip, self.variances = flip, clip, tuple(variances)
        self.image_size, self.step, self.offset = image_size, tuple(step), offset
        if len(self.variances) not in (1, 4):
            raise ShapeError(f"CaffePriorBox: 1 or 4 variances, got {variances}.")
        if any(not ratio > 0 for ratio in self.aspect_ratios):
            raise ShapeError(f"CaffePriorBox: aspect ratios are positive, got {aspect_ratios}.")

    def _ratios(self):
        ratios = [1.0]
        for ratio in self.aspect_ratios:
            for each in (ratio, 1 / ratio) if self.flip else (ratio,):
                if all(abs(each - known) >= 1e-6 for known in ratios):
                    ratios.append(each)
        return ratios[1:]

    def _sizes(self):
        """Widths and heights of the boxes of one place, in pixels."""
        boxes = []
        for i, small in enumerate(self.min_sizes):
            boxes.append((small, small))
            if self.max_sizes:
                boxes.append((sqrt(small * self.max_sizes[i]),) * 2)
            boxes += [(small * sqrt(ratio), small / sqrt(ratio)) for ratio in self._ratios()]
        return np.array(boxes)

    def forward(self, feature, picture, ctx):
        if feature.ndim != 4 or picture.ndim != 4:
            raise ShapeError(f"{self!r} takes two arrays of 4 axes, got {feature.shape} and {picture.shape}.")
        rows, columns = feature.shape[2:]
        height, width = self.image_size or picture.shape[2:]
        down, across = self.step if all(self.step) else (height / max(rows, 1), width / max(columns, 1))
        y = ((np.arange(rows) + self.offset) * down)[:, None, None]
        x = ((np.arange(columns) + self.offset) * across)[None, :, None]
        wide, high = self._sizes().T / 2
        corners = np.broadcast_arrays((x - wide) / width, (y - high) / height, (x + wide) / width, (y + high) / height)
        boxes = np.stack(corners, axis=-1).astype(ctx.dtype).reshape(-1)
        if self.clip:
            boxes = boxes.clip(0, 1)
        variances = np.resize(np.array(self.variances, ctx.dtype), len(boxes))
        return np.repeat(np.stack([boxes, variances])[None], len(feature), axis=0)

    def backward(self, dy, ctx):
        return None, None
