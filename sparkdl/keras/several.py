"""Losses and metrics of models with several outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sparkdl.errors import ShapeError
from sparkdl.nn.losses.combined import CombinedLoss
from sparkdl.nn.losses.loss import Loss
from sparkdl.optim.metrics.base import Metric


class LossOfOutputs(CombinedLoss):
    """``sum(weights[i] * losses[i](y[outputs[i]], target[targets[i]]))``; of all ``count`` outputs the others are free.

    ``targets`` None: there is one target, and it comes alone.
    """

    def __init__(
        self, losses: Sequence[Loss], weights: Sequence[float] | None, outputs: Sequence[int],
        targets: Sequence[int] | None, count: int,
    ) -> None:  # fmt: skip
        super().__init__(losses, weights)
        self.outputs, self.targets, self.count = list(outputs), targets, count

    def split(self, y: Any, target: Any) -> list[tuple[Any, Any]]:
        y = picked(self, "outputs", y, self.count)
        if self.targets is None:
            return [(y[i], target) for i in self.outputs]
        return [(y[i], target[j]) for i, j in zip(self.outputs, self.targets, strict=True)]

    def join(self, slopes: list[Any]) -> Any:
        found: list[Any] = [None] * self.count
        for i, slope in zip(self.outputs, slopes, strict=True):
            found[i] = slope
        return tuple(found)


class OfOutput(Metric):
    """``metric`` of output number ``output`` of ``count``, and target number ``target`` (None: the only one)."""

    def __init__(self, metric: Metric, output: int, target: int | None, count: int, name: str) -> None:
        self.metric, self.output, self.target, self.count = metric, output, target, count
        super().__init__(name)

    def zero(self) -> Any:
        return self.metric.zero()

    def update(self, state: Any, output: Any, target: Any, weight: Any = None) -> Any:
        y = picked(self.metric, "outputs", output, self.count)[self.output]
        return self.metric.update(state, y, target if self.target is None else target[self.target], weight)

    def merge(self, a: Any, b: Any) -> Any:
        return self.metric.merge(a, b)

    def value(self, state: Any) -> Any:
        return self.metric.value(state)


def picked(who: Any, what: str, y: Any, count: int) -> Any:
    """The outputs as a tuple of so many."""
    y = y if isinstance(y, tuple) else (y,)
    if len(y) != count:
        raise ShapeError(f"{who!r} was compiled for {count} {what} of the model, which gives {len(y)}.")
    return y
