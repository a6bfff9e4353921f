"""Mean average precision of object detectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.optim import checks
from sparkdl.optim.metrics.base import Metric

STYLES = ("voc2007", "voc2010", "coco")
COCO_IOUS = tuple(0.5 + 0.05 * i for i in range(10))


class MeanAveragePrecisionObjectDetection(Metric):
    """Mean over classes (and over ``iou`` thresholds) of the average precision of detected boxes.

    ``style`` says how detections meet true boxes and what the area under the precision-recall curve is:
    "voc2007" the mean of the best precision at recalls 0, 0.1, ..., 1; "voc2010" the whole area; "coco" the mean at
    recalls 0, 0.01, ..., 1. In the VOC styles a detection belongs to the true box that it overlaps most, and all
    detections after the first of a box are wrong; in "coco" to the best box that is still free, and the 100 most
    confident detections per image and class count. Detections of ``difficult`` boxes are left out. Classes without
    true boxes do not count. Matching looks at one image at a time, so states hold no boxes.

    Shapes
    ------
    output  (batch, detections, 6): class, score, x1, y1, x2, y2; class -1 where there is none
    target  (batch, boxes, 6): class, difficult (0 or 1), x1, y1, x2, y2; class -1 where there is none

    Source: Everingham et al. (2010), section 3.4; Lin et al. (2014).
    """

    def __init__(
        self,
        classes: int,
        iou: float | tuple[float, ...] | None = None,
        style: str = "voc2010",
        name: str | None = None,
    ) -> None:
        self.classes, self.iou, self.style = classes, iou, style
        checks.whole(self, classes=classes)
        checks.one_of(self, STYLES, style=style)
        standard = COCO_IOUS if style == "coco" else (0.5,)
        self._ious = standard if iou is None else tuple(iou) if isinstance(iou, (tuple, list)) else (iou,)
        if not all(0 < i <= 1 for i in self._ious):
            raise ValueError(f"{type(self).__name__}: iou must be in (0, 1], got {iou!r}.")
        super().__init__(name)

    # state: true boxes per class (classes,); per detection: class, score (n,), and verdict at each iou (n, ious),
    # 1 right, 0 wrong, -1 left out
    def zero(self) -> tuple:
        return np.zeros(self.classes), np.zeros(0), np.zeros(0), np.zeros((0, len(self._ious)))

    def update(self, state: tuple, output: Any, target: Any, weight: Any = None) -> tuple:
        output, target = np.asarray(output, np.float64), np.asarray(target, np.float64)
        if output.ndim != 3 or target.ndim != 3 or output.shape[2] != 6 or target.shape[2] != 6:
            raise ShapeError(f"{self!r} takes (batch, n, 6) twice, got {output.shape} and {target.shape}.")
        for found, real in zip(output, target, strict=True):
            for c in range(self.classes):
                state = self.merge(state, self._image(c, found[found[:, 0] == c, 1:], real[real[:, 0] == c, 1:]))
        return state

    def merge(self, a: tuple, b: tuple) -> tuple:
        return (a[0] + b[0], *(np.concatenate(pair) for pair in zip(a[1:], b[1:], strict=True)))

    def value(self, state: tuple) -> float:
        boxes, class_of, score, verdict = state
        areas = [
            self._area(score[(mine := class_of == c)], verdict[mine, i], boxes[c])
            for c in range(self.classes)
            if boxes[c]
            for i in range(len(self._ious))
        ]
        return float(np.mean(areas)) if areas else float("nan")

    def _image(self, c: int, found: np.ndarray, real: np.ndarray) -> tuple:
        """The state of one class in one image; ``found`` rows score, box; ``real`` rows difficult, box."""
        found = found[np.lexsort((*found.T[:0:-1], -found[:, 0]))]
        if self.style == "coco":
            found = found[:100]
        difficult, verdict = real[:, 0] > 0, np.zeros((len(found), len(self._ious)))
        overlap = overlaps(found[:, 1:], real[:, 1:])
        for i, least in enumerate(self._ious):
            free = np.ones(len(real), bool)
            for d in range(len(found)):
                allowed = free | difficult if self.style == "coco" else np.ones(len(real), bool)
                best = self._best(overlap[d], allowed, difficult, least)
                if best is None:
                    continue
                verdict[d, i] = -1 if difficult[best] else 1 if free[best] else 0
                free[best] = False
        counted = np.zeros(self.classes)
        counted[c] = (~difficult).sum()
        return counted, np.full(len(found), float(c)), found[:, 0], verdict

    def _best(self, overlap: np.ndarray, allowed: np.ndarray, difficult: np.ndarray, least: float) -> int | None:
        """The true box that a detection belongs to; COCO takes a difficult one only where no other fits."""
        groups = (allowed & ~difficult, allowed & difficult) if self.style == "coco" else (allowed,)
        for among in groups:
            values = np.where(among, overlap, -1.0)
            if values.size and values.max() >= least:
                return int(values.argmax())
        return None

    def _area(self, score: np.ndarray, verdict: np.ndarray, boxes: float) -> float:
        order = np.lexsort((verdict, -score))  # of equal scores the wrong ones first: one order for one set of rows
        verdict = verdict[order]
        verdict = verdict[verdict >= 0]
        hits = np.cumsum(verdict)
        recall, precision = hits / boxes, hits / np.arange(1, len(hits) + 1)
        best = np.maximum.accumulate(precision[::-1])[::-1]  # the best precision at this recall or a higher one
        if self.style == "voc2010":
            return float((np.diff(recall, prepend=0.0) * best).sum())
        levels = np.arange(11) / 10 if self.style == "voc2007" else np.arange(101) / 100
        at = np.searchsorted(recall, levels - 1e-12)
        return float(np.append(best, 0.0)[at].mean())


def overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes x1, y1, x2, y2: (n, 4) and (m, 4) give (n, m)."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(2)
    union = _size(a)[:, None] + _size(b)[None] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def _size(boxes: np.ndarray) -> np.ndarray:
    return np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(1)
