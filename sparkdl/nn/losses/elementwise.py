"""Losses that compare outputs and targets value by value."""

from __future__ import annotations

import numpy as np

from sparkdl.errors import DataError, ShapeError
from sparkdl.nn.losses.loss import Loss, check_one


class ElementwiseLoss(Loss):
    """Base of losses of each value by itself, averaged over all; ``terms`` and ``slope`` get arrays of one shape.

    Targets (batch,) fit outputs (batch, 1), and the other way round.
    """

    allowed: tuple[float, float] | None = None  # the range of targets
    labels: tuple[float, ...] | None = None  # or their only values

    def check(self, y, target):
        check_one(self, y)
        if target is None or _squeezed(y.shape) != _squeezed(target.shape) or y.ndim == 0:
            got = getattr(target, "shape", None)
            raise ShapeError(f"{self!r} compares arrays of one shape, got outputs {y.shape} and targets {got}.")
        if self.allowed is not None:
            low, high = self.allowed
            self._refuse(target, ~((target >= low) & (target <= high)), f"targets lie in {low:g} .. {high:g}")
        if self.labels is not None:
            names = " or ".join(f"{v:g}" for v in self.labels)
            self._refuse(target, ~np.isin(target, self.labels), f"targets are {names}")

    def _refuse(self, target, bad, rule):
        if bad.any():
            where = tuple(int(i) for i in np.argwhere(bad)[0])
            raise DataError(f"{self!r}: {rule}, got {target[where]} for sample {where[0]}.")

    def fit(self, y, target):
        target = target.astype(y.dtype, copy=False)
        return target if target.shape == y.shape else target.reshape(y.shape)


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[:1] if len(shape) == 2 and shape[1] == 1 else shape
