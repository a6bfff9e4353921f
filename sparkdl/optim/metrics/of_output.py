"""Metrics of models with several outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sparkdl.errors import ShapeError
from sparkdl.optim.metrics.base import Metric
from sparkdl.optim.metrics.loss import Loss


class OfOutput(Metric):
    """``metric`` of one output of a model that has several: number ``output``, from 0.

    Of several targets it gets number ``target`` (None: that of the output), a single one as it is.

    Shapes
    ------
    output  a tuple, one array per output of the model
    target  a tuple, or one array
    """

    def __init__(self, metric: Metric, output: int, target: int | None = None, name: str | None = None) -> None:
        self.metric, self.output, self.target = metric, output, target
        super().__init__(name)

    def default_name(self) -> str:
        return f"{self.metric.name}_{self.output}"

    def zero(self) -> Any:
        return self.metric.zero()

    def update(self, state: Any, output: Any, target: Any, weight: Any = None) -> Any:
        y = self._picked("outputs", output, self.output)
        if isinstance(target, tuple):
            target = self._picked("targets", target, self.output if self.target is None else self.target)
        return self.metric.update(state, y, target, weight)

    def merge(self, a: Any, b: Any) -> Any:
        return self.metric.merge(a, b)

    def value(self, state: Any) -> Any:
        return self.metric.value(state)

    def _picked(self, what: str, given: Any, number: int) -> Any:
        if not isinstance(given, tuple) or number >= len(given):
            got = len(given) if isinstance(given, tuple) else "one array"
            raise ShapeError(f"{self!r} takes number {number} of several {what}, counted from 0, got {got}.")
        return given[number]


def check_outputs(metrics: Sequence[Any], y: Any) -> None:
    """Metrics of one output are told of which; one's own may look at all of them."""
    for metric in metrics if isinstance(y, tuple) else ():
        inner = metric
        while type(inner).__name__ == "Unweighted":
            inner = inner.metric
        if type(inner).__module__.startswith("sparkdl.optim.metrics.") and not isinstance(inner, OfOutput | Loss):
            name = type(inner).__name__
            raise ShapeError(
                f"{name} takes one output, the model has {len(y)}; say of which it is, as in "
                f"optim.OfOutput(optim.{name}(...), 0)."
            )
