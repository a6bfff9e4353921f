"""Figures of rankings: one row holds one query (a user) with all its candidates.

Shapes
------
output  (batch, candidates) scores; of equal scores the first candidate stands first
target  (batch,) the number of the one relevant candidate, or (batch, candidates) how relevant each is
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.optim import checks
from sparkdl.optim.metrics.base import Metric, SumMetric, counts, labels, weighed


class HitRatio(SumMetric):
    """Share of rows with a relevant candidate among the first ``k``."""

    def __init__(self, k: int = 10, name: str | None = None) -> None:
        self.k = k
        checks.whole(self, k=k)
        super().__init__(name)

    def terms(self, output, target, weight):
        hit = np.asarray((_ranked(self, output, target)[:, : self.k] > 0).any(1))
        return weighed(hit, weight), counts(hit, weight)


class NDCG(SumMetric):
    """Mean of ``DCG / ideal DCG`` with ``DCG = sum over the first k of relevance / log2(rank + 1)``.

    Rows without a relevant candidate count as 0.

    Source: Jarvelin & Kekalainen (2002).
    """

    def __init__(self, k: int = 10, name: str | None = None) -> None:
        self.k = k
        checks.whole(self, k=k)
        super().__init__(name)

    def terms(self, output, target, weight):
        gains = _ranked(self, output, target)
        discount = 1 / np.log2(np.arange(2, min(self.k, gains.shape[1]) + 2))
        ideal = (-np.sort(-gains, 1))[:, : self.k] @ discount
        found = gains[:, : self.k] @ discount
        share = np.divide(found, ideal, out=np.zeros(len(gains)), where=ideal > 0)
        return weighed(share, weight), counts(share, weight)


class LabelRankingAveragePrecision(SumMetric):
    """Mean over rows of average precision: the mean, over relevant candidates, of the share relevant up to their rank.

    Rows without relevant candidates count as 1.
    """

    def terms(self, output, target, weight):
        relevant = _ranked(self, output, target) > 0
        share = np.cumsum(relevant, 1) / np.arange(1, relevant.shape[1] + 1)
        many = relevant.sum(1)
        mean = np.divide((share * relevant).sum(1), many, out=np.ones(len(relevant)), where=many > 0)
        return weighed(mean, weight), counts(mean, weight)


def _ranked(metric: Metric, output: Any, target: Any) -> np.ndarray:
    """Relevance of each row's candidates, best score first."""
    output, target = np.asarray(output), np.asarray(target)
    if output.ndim != 2 or target.shape not in ((len(output),), (len(output), 1), output.shape):
        raise ShapeError(
            f"{metric!r} takes scores (batch, candidates) and (batch,) or (batch, candidates), got {output.shape} and "
            f"{target.shape}; one row holds all candidates of one query."
        )
    if target.shape != output.shape or output.shape[1] == 1:
        target = np.eye(output.shape[1])[labels(metric, target, output.shape[1], output.shape[:1])]
    order = np.argsort(-output, 1, kind="stable")
    return np.take_along_axis(target.astype(np.float64), order, 1)
