"""A metric in which every row counts the same."""

from __future__ import annotations

from typing import Any

from sparkdl.optim.metrics.base import Metric


class Unweighted(Metric):
    """``metric`` without sample weights, as Keras's ``metrics`` are; ``weighted_metrics`` are the others."""

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        super().__init__(metric.name)

    def zero(self) -> Any:
        return self.metric.zero()

    def update(self, state: Any, output: Any, target: Any, weight: Any = None) -> Any:
        return self.metric.update(state, output, target)

    def merge(self, a: Any, b: Any) -> Any:
        return self.metric.merge(a, b)

    def value(self, state: Any) -> Any:
        return self.metric.value(state)
