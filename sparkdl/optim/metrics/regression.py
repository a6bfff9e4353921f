"""Figures of regressions."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from sparkdl.optim.metrics.accuracy import same_shape
from sparkdl.optim.metrics.base import Metric, SumMetric, counts, weighed
from sparkdl.optim.metrics.exact import add_bins, exact_bins, products


class MAE(SumMetric):
    """Mean of ``|output - target|`` over all values."""

    def terms(self, output, target, weight):
        error = _error(self, output, target)
        return weighed(np.abs(error), weight), counts(error, weight)


class MSE(SumMetric):
    """Mean of ``(output - target)^2`` over all values."""

    def terms(self, output, target, weight):
        error = _error(self, output, target)
        return weighed(error * error, weight), counts(error, weight)


class R2(Metric):
    """``1 - sum (target - output)^2 / sum (target - mean target)^2`` of each column, averaged over the columns.

    A column whose targets are all equal counts as 1 if it is met exactly, else 0. Sums are exact, so a large
    mean costs no digits.

    Shapes
    ------
    output, target  (batch,) or (batch, columns)
    """

    def zero(self) -> tuple:
        return (np.zeros((1, 0)),) * 4

    def update(self, state: tuple, output: Any, target: Any, weight: Any = None) -> tuple:
        output, target = (np.asarray(x, np.float64) for x in same_shape(self, output, target))
        columns = int(np.prod(target.shape[1:]))
        y, error = target.reshape(-1, columns), (output - target).reshape(-1, columns)
        w = np.broadcast_to(np.ones(1) if weight is None else np.asarray(weight, np.float64)[:, None], y.shape)
        first, rest = products(w, y)
        square, more = products(first, y)
        terms = [w], [first, rest], [square, more, rest * y], [w * error * error]  # the spread needs exact squares
        column = np.broadcast_to(np.arange(columns), y.shape)
        sums = (exact_bins(np.stack([column] * len(parts)), np.stack(parts), columns) for parts in terms)
        return self.merge(state, tuple(sums))

    def merge(self, a: tuple, b: tuple) -> tuple:
        return b if not a[0].size else a if not b[0].size else tuple(add_bins(x, y) for x, y in zip(a, b, strict=True))

    def value(self, state: tuple) -> float:
        if not np.isfinite(np.concatenate([s.ravel() for s in state])).all():
            return float("nan")
        values = []
        for sums in zip(*(s.T for s in state), strict=True):
            n, y, squares, errors = (sum((Fraction(float(p)) for p in parts), Fraction(0)) for parts in sums)
            if n == 0:
                return float("nan")
            spread = squares - y * y / n
            values.append(float(1 - errors / spread) if spread > 0 else float(errors == 0))
        return float(np.mean(values)) if values else float("nan")


def _error(metric: Metric, output: Any, target: Any) -> np.ndarray:
    output, target = same_shape(metric, output, target)
    return output.astype(np.float64) - target.astype(np.float64)
