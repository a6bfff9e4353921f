"""Non-maximum suppression."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.kernels.boxes import suppress
from sparkdl.nn.module import Layer


class Nms(Layer):
    """The boxes of each sample that overlap no better one by more than ``iou_threshold``, best first.

    Shapes
    ------
    inputs  boxes (batch, n, 4): x1, y1, x2, y2; scores (batch, n): those up to ``score_threshold`` are left out
    output  (batch, max_boxes) numbers of boxes, filled up with -1. No gradient.
    """

    def __init__(self, iou_threshold: float, max_boxes: int, score_threshold: float = float("-inf")) -> None:
        super().__init__()
        if not (0 <= iou_threshold <= 1 and max_boxes >= 1):
            raise ValueError(f"Nms: iou_threshold is in 0 .. 1, max_boxes >= 1; got {iou_threshold!r}, {max_boxes!r}.")
        self.iou_threshold, self.max_boxes, self.score_threshold = iou_threshold, max_boxes, score_threshold

    def forward(self, boxes, scores, ctx):
        if boxes.ndim != 3 or boxes.shape[2] != 4 or scores.shape != boxes.shape[:2]:
            raise ShapeError(f"{self!r} takes boxes (batch, n, 4) and scores, got {boxes.shape} and {scores.shape}.")
        kept = np.full((len(boxes), self.max_boxes), -1, np.int64)
        for n in range(len(boxes)):
            candidates = np.flatnonzero(scores[n] > self.score_threshold)
            found = suppress(boxes[n, candidates], scores[n, candidates], self.iou_threshold, self.max_boxes)
            kept[n, : len(found)] = candidates[found]
        return kept

    def backward(self, dy, ctx):
        return None, None
