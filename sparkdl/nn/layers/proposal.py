"""Regions worth looking at."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.kernels.boxes import clipped, moved, suppress
from sparkdl.nn.layers.anchor import anchors
from sparkdl.nn.module import Layer


class Proposal(Layer):
    """The best boxes of a region proposal network: anchors moved by offsets, cut at the picture's borders, not too
    small, and without those that overlap a better one.

    ``pre_nms`` and ``post_nms`` say how many boxes are kept before and after suppression.

    Shapes
    ------
    inputs   scores (batch, 2 * boxes, rows, columns), background first; offsets (batch, 4 * boxes, rows, columns);
             picture (batch, 3): height, width and scale of it, the last of which ``min_size`` is times of
    outputs  boxes (batch, post_nms, 4) in pixels, and their scores (batch, post_nms); -1 where there are fewer.
             No gradient.

    Source: Ren et al. (2015), section 3.1.
    """

    outputs = 2

    def __init__(
        self, pre_nms: int = 6000, post_nms: int = 300, iou_threshold: float = 0.7, min_size: float = 16,
        ratios=(0.5, 1.0, 2.0), scales=(8.0, 16.0, 32.0), base_size: int = 16, stride: int = 16,
    ) -> None:  # fmt: skip
        super().__init__()
        if not (pre_nms >= 1 and post_nms >= 1 and 0 <= iou_threshold <= 1):
            got = f"{pre_nms!r}, {post_nms!r}, {iou_threshold!r}"
            raise ValueError(f"Proposal: counts are >= 1 and iou_threshold lies in 0 .. 1, got {got}.")
        self.pre_nms, self.post_nms, self.iou_threshold, self.min_size = pre_nms, post_nms, iou_threshold, min_size
        self.ratios, self.scales, self.base_size, self.stride = tuple(ratios), tuple(scales), base_size, stride

    def forward(self, scores, offsets, picture, ctx):
        boxes = len(self.ratios) * len(self.scales)
        rows, columns = scores.shape[2:] if scores.ndim == 4 else (0, 0)
        n = len(scores)
        wanted = (n, 2 * boxes, rows, columns), (n, 4 * boxes, rows, columns)
        if (scores.shape, offsets.shape) != wanted or picture.ndim != 2 or picture.shape[1] < 3:
            got = [x.shape for x in (scores, offsets, picture)]
            raise ShapeError(f"{self!r} takes scores {wanted[0]}, offsets {wanted[1]} and (batch, 3), got {got}.")
        at = anchors(rows, columns, self.ratios, self.scales, self.base_size, self.stride).astype(scores.dtype)
        found = np.full((n, self.post_nms, 4), -1, scores.dtype)
        values = np.full((n, self.post_nms), -1, scores.dtype)
        for i in range(n):
            height, width, scale = (float(v) for v in picture[i, :3])
            delta = offsets[i].reshape(boxes, 4, rows, columns).transpose(2, 3, 0, 1).reshape(-1, 4)
            value = scores[i, boxes:].transpose(1, 2, 0).reshape(-1)
            box = clipped(moved(at, delta, one=1), height, width, one=1)
            size = box[:, 2:] - box[:, :2] + 1
            usable = np.flatnonzero((size >= self.min_size * scale).all(axis=1))
            best = usable[np.argsort(-value[usable], kind="stable")[: self.pre_nms]]
            kept = best[suppress(box[best], value[best], self.iou_threshold, self.post_nms, one=1)]
            found[i, : len(kept)], values[i, : len(kept)] = box[kept], value[kept]
        return found, values

    def backward(self, *dys, ctx):
        return None, None, None
