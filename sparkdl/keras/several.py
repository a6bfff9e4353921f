"""Losses of models with several outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sparkdl.errors import ShapeError
from sparkdl.nn.losses.combined import CombinedLoss
from sparkdl.nn.losses.loss import Loss


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
        y = y if isinstance(y, tuple) else (y,)
        if len(y) != self.count:
            raise ShapeError(f"the model was compiled for {self.count} outputs and gives {len(y)}; compile it again.")
        if self.targets is None:
            return [(y[i], target) for i in self.outputs]
        return [(y[i], target[j]) for i, j in zip(self.outputs, self.targets, strict=True)]

    def join(self, slopes: list[Any]) -> Any:
        found: list[Any] = [None] * self.count
        for i, slope in zip(self.outputs, slopes, strict=True):
            found[i] = slope
        return tuple(found)
