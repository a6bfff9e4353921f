"""Regions worth looking at, from a feature pyramid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.kernels.boxes import clipped, moved, suppress
from sparkdl.nn.module import Layer


class PyramidProposal(Layer):
    """The best boxes on the maps of a pyramid: the ``pre_nms`` best of each level, without those that overlap a better
    one of it, and the ``post_nms`` best of all levels.

    Level i has boxes of ``sizes[i]`` pixels, one per ratio (height / width), ``strides[i]`` pixels apart.

    Shapes
    ------
    inputs   for each level scores (batch, ratios, rows, columns), then for each level offsets (batch, 4 * ratios, rows,
             columns), then picture (batch, 2 or more): height and width
    outputs  boxes (batch, post_nms, 4) and their scores (batch, post_nms); boxes 0, 0, -1, -1 where there are fewer.
             No gradient.

    Source: Lin et al. (2017), section 4.1.
    """

    outputs = 2

    def __init__(
        self, sizes: Sequence[float], strides: Sequence[float], ratios: Sequence[float] = (0.5, 1.0, 2.0),
        pre_nms: int = 1000, post_nms: int = 1000, iou_threshold: float = 0.7, min_size: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        if len(sizes) != len(strides) or not len(sizes):
            raise ShapeError(f"PyramidProposal: one size and one stride per level, got {sizes!r} and {strides!r}.")
        self.sizes, self.strides, self.ratios = tuple(sizes), tuple(strides), tuple(ratios)
        self.pre_nms, self.post_nms, self.iou_threshold, self.min_size = pre_nms, post_nms, iou_threshold, min_size

    def _anchors(self, level: int, rows: int, columns: int) -> np.ndarray:
        """Boxes (rows * columns * ratios, 4) around the places of one level."""
        ratios = np.sqrt(np.array(self.ratios, np.float64))
        wide, high = self.sizes[level] / ratios / 2, self.sizes[level] * ratios / 2
        y, x = np.mgrid[:rows, :columns] * float(self.strides[level])
        places = np.stack([x, y, x, y], axis=-1)[:, :, None]
        return (places + np.stack([-wide, -high, wide, high], axis=1)).reshape(-1, 4)

    def forward(self, *xs, ctx):
        levels, count = len(self.sizes), len(self.ratios)
        scores, offsets, picture = xs[:levels], xs[levels:-1], xs[-1]
        fits = len(xs) == 2 * levels + 1 and picture.ndim == 2 and picture.shape[1] >= 2
        for s, o in zip(scores, offsets, strict=False):
            fits = fits and s.ndim == 4 and s.shape[1] == count and o.shape == (len(s), 4 * count, *s.shape[2:])
        if not fits:
            got = [x.shape for x in xs]
            raise ShapeError(f"{self!r} takes scores and offsets of {levels} levels and (batch, 2), got {got}.")
        boxes = np.tile(np.array([0, 0, -1, -1], scores[0].dtype), (len(picture), self.post_nms, 1))
        values = np.zeros(boxes.shape[:2], boxes.dtype)
        for n in range(len(picture)):
            size = float(picture[n, 0]), float(picture[n, 1])
            made = [self._level(i, scores[i][n], offsets[i][n], size) for i in range(levels)]
            found, value = (np.concatenate(each) for each in zip(*made, strict=True))
            best = np.argsort(-value, kind="stable")[: self.post_nms]
            boxes[n, : len(best)], values[n, : len(best)] = found[best], value[best]
        return boxes, values

    def _level(self, level, scores, offsets, size):
        count, rows, columns = scores.shape
        value = scores.transpose(1, 2, 0).reshape(-1)
        best = np.argsort(-value, kind="stable")[: self.pre_nms]
        delta = offsets.reshape(count, 4, rows, columns).transpose(2, 3, 0, 1).reshape(-1, 4)
        at = self._anchors(level, rows, columns).astype(scores.dtype)
        box = clipped(moved(at[best], delta[best]), *size)
        large = ((box[:, 2:] - box[:, :2]) >= self.min_size).all(axis=1)
        box, value = box[large], value[best][large]
        kept = suppress(box, value, self.iou_threshold, self.post_nms)
        return box[kept], value[kept]

    def backward(self, *dys, ctx):
        return (None,) * (2 * len(self.sizes) + 1)
