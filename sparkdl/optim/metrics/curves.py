"""Areas under curves of two-class scores, exact: every score is a threshold."""

from __future__ import annotations

import numpy as np

from sparkdl.errors import DataError, ShapeError
from sparkdl.optim import checks
from sparkdl.optim.metrics.base import RowMetric


class _Curve(RowMetric):
    """Keeps score, target and weight of each row (24 bytes).

    Shapes
    ------
    output  (batch,) or (batch, 1) scores, higher for class 1; or (batch, 2), whose difference is the score
    target  (batch,) or (batch, 1): 0 or 1
    """

    def rows(self, output, target, weight):
        output, target = np.asarray(output, np.float64), np.asarray(target, np.float64)
        n = len(output)
        if output.ndim > 2 or (output.ndim == 2 and output.shape[1] > 2) or target.size != n:
            raise ShapeError(
                f"{self!r} takes (batch,), (batch, 1) or (batch, 2), got {output.shape} and {target.shape}."
            )
        if output.ndim == 2:
            output = output[:, -1] - (output[:, 0] if output.shape[1] == 2 else 0)
        target = target.reshape(n)
        bad = np.flatnonzero((target != 0) & (target != 1))
        if bad.size:
            raise DataError(f"{self!r}: targets are 0 or 1, got {target[bad[0]]} for sample {bad[0]}.")
        if np.isnan(output).any():
            raise DataError(f"{self!r}: the score of sample {int(np.flatnonzero(np.isnan(output))[0])} is NaN.")
        return output, target, np.ones(n) if weight is None else weight

    def figure(self, score, target, weight):
        if not score.size:
            return float("nan")
        starts = np.flatnonzero(np.append(True, score[1:] != score[:-1]))
        return self.area(np.add.reduceat(weight * target, starts), np.add.reduceat(weight * (1 - target), starts))

    def area(self, positive: np.ndarray, negative: np.ndarray) -> float:
        """From the weights of both classes at each distinct score, scores rising."""
        raise NotImplementedError


class AUC(_Curve):
    """Area under the ROC curve: how likely a row of class 1 scores above one of class 0, ties counting half."""

    def area(self, positive, negative):
        below = np.cumsum(negative) - negative
        pairs = positive.sum() * negative.sum()
        return (positive * (below + negative / 2)).sum() / pairs if pairs else float("nan")


class PRAUC(_Curve):
    """Area under the precision-recall curve.

    ``interpolation`` "step" is average precision, ``sum (R_n - R_{n-1}) P_n``, which does not flatter; "linear" joins
    the points by straight lines.
    """

    def __init__(self, interpolation: str = "step", name: str | None = None) -> None:
        self.interpolation = interpolation
        checks.one_of(self, ("step", "linear"), interpolation=interpolation)
        super().__init__(name)

    def area(self, positive, negative):
        hits, taken = np.cumsum(positive[::-1]), np.cumsum((positive + negative)[::-1])
        if not hits[-1]:
            return float("nan")
        hits, taken = hits[taken > 0], taken[taken > 0]
        recall, precision = np.append(0.0, hits / hits[-1]), np.append(1.0, hits / taken)
        heights = precision[1:] if self.interpolation == "step" else (precision[1:] + precision[:-1]) / 2
        return (np.diff(recall) * heights).sum()


class MeanAveragePrecision(RowMetric):
    """Mean over classes of the average precision of each class against the rest; classes without rows do not count.

    With ``k`` only the ``k`` most confident rows of each class are looked at (and at most k right ones expected).

    Shapes
    ------
    output  (batch, classes) scores; target (batch,) class numbers from 0
    """

    def __init__(self, classes: int, k: int | None = None, name: str | None = None) -> None:
        self.classes, self.k = classes, k
        checks.whole(self, classes=classes, k=1 if k is None else k)
        super().__init__(name)

    @property
    def columns(self) -> int:  # type: ignore[override]
        return self.classes + 2

    def rows(self, output, target, weight):
        from sparkdl.optim.metrics.base import labels

        output = np.asarray(output)
        if output.ndim != 2 or output.shape[1] != self.classes:
            raise ShapeError(f"{self!r} takes (batch, {self.classes}), got {output.shape}.")
        right = labels(self, target, self.classes, output.shape[:1])
        return (*output.T, right, np.ones(len(output)) if weight is None else weight)

    def figure(self, *columns):
        scores, right, weight = columns[:-2], columns[-2], columns[-1]
        values = [self._average(s, right == c, weight) for c, s in enumerate(scores) if (right == c).any()]
        return float(np.mean(values)) if values else float("nan")

    def _average(self, score: np.ndarray, hit: np.ndarray, weight: np.ndarray) -> float:
        order = np.lexsort((hit, -score))  # of equal scores the wrong ones come first
        most = len(order) if self.k is None else min(self.k, len(order))
        hit, weight = hit[order], weight[order]
        expected = np.sort(weight[hit])[::-1][:most].sum()
        hit, weight, score = hit[:most], weight[:most], score[order][:most]
        ends = np.append(score[1:] != score[:-1], True)  # equal scores are one threshold
        hits, taken = np.cumsum(weight * hit)[ends], np.cumsum(weight)[ends]
        return float((np.diff(hits, prepend=0.0) * hits / taken).sum() / expected)
