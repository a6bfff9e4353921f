"""What a two-stage detector found."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.kernels.boxes import clipped, moved, suppress
from sparkdl.nn.module import Layer


class DetectionOutputFrcnn(Layer):
    """Moves regions by each class's offsets and keeps, class by class, what scores well and overlaps nothing better.

    Class 0 is the background. ``max_per_image`` keeps the best of all classes.

    Shapes
    ------
    inputs  regions (batch, n, 4) in pixels (those with x2 < x1 or below 0 are none); offsets (batch, n, classes * 4);
            scores (batch, n, classes); picture (batch, 2 or more): height and width
    output  (batch, max_per_image, 6): class, score, x1, y1, x2, y2, by class and falling score; -1 where there are
            fewer. No gradient.

    Source: Girshick (2015), section 2.2; the thresholds of its code.
    """

    def __init__(
        self, num_classes: int, iou_threshold: float = 0.3, score_threshold: float = 0.05, max_per_image: int = 100
    ) -> None:
        super().__init__()
        if not (num_classes >= 2 and max_per_image >= 1 and 0 <= iou_threshold <= 1):
            raise ValueError(
                f"DetectionOutputFrcnn: num_classes >= 2, max_per_image >= 1, iou_threshold in 0 .. 1; "
                f"got {num_classes!r}, {max_per_image!r}, {iou_threshold!r}."
            )
        self.num_classes, self.iou_threshold = num_classes, iou_threshold
        self.score_threshold, self.max_per_image = score_threshold, max_per_image

    def forward(self, regions, offsets, scores, picture, ctx):
        n, classes = regions.shape[:2] if regions.ndim == 3 else (0, 0), self.num_classes
        if (
            regions.ndim != 3 or regions.shape[2] != 4 or offsets.shape != (*n, 4 * classes)
            or scores.shape != (*n, classes) or picture.ndim != 2 or picture.shape[1] < 2
        ):  # fmt: skip
            got = [x.shape for x in (regions, offsets, scores, picture)]
            raise ShapeError(
                f"{self!r} takes regions (batch, n, 4), offsets (batch, n, {4 * classes}), scores (batch, n, "
                f"{classes}) and (batch, 2), got {got}."
            )
        y = np.full((len(regions), self.max_per_image, 6), -1, scores.dtype)
        for i in range(len(regions)):
            used = np.flatnonzero((regions[i, :, 0] >= 0) & (regions[i, :, 2] >= regions[i, :, 0]))
            moves = offsets[i, used].reshape(len(used), classes, 4)
            height, width = float(picture[i, 0]), float(picture[i, 1])
            boxes = clipped(moved(regions[i, used][:, None], moves, one=1), height, width, one=1)
            rows = np.array(self._rows(boxes, scores[i, used]), scores.dtype).reshape(-1, 6)
            if len(rows) > self.max_per_image:
                best = np.argsort(-rows[:, 1], kind="stable")[: self.max_per_image]
                rows = rows[np.sort(best)]
            y[i, : len(rows)] = rows
        return y

    def _rows(self, boxes, scores):
        rows = []
        for label in range(1, self.num_classes):
            strong = np.flatnonzero(scores[:, label] > self.score_threshold)
            for i in strong[suppress(boxes[strong, label], scores[strong, label], self.iou_threshold, one=1)]:
                rows.append((label, scores[i, label], *boxes[i, label]))
        return rows

    def backward(self, dy, ctx):
        return None, None, None, None
