"""A loss at each step of a sequence."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.losses.loss import Loss


class TimeDistributedLoss(Loss):
    """``loss`` of each step of a sequence, averaged over samples and steps.

    ``size_average=False`` adds the steps up and averages over the samples alone.

    Shapes
    ------
    y       (batch, steps, *)
    target  (batch, steps, *)
    """

    def __init__(self, loss: Loss, size_average: bool = True) -> None:
        super().__init__(loss.reduction)
        self.loss, self.size_average = loss, size_average

    def check(self, y, target):
        if target is None or target.shape[:2] != y.shape[:2] or y.ndim < 2:
            got = getattr(target, "shape", None)
            raise ShapeError(f"{self!r} takes outputs and targets (batch, steps, *), got {y.shape} and {got}.")
        self.loss.check(_steps(y), _steps(target))

    def fit(self, y, target):
        fitted = self.loss.fit(_steps(y), _steps(target))
        return fitted.reshape(*y.shape[:2], *fitted.shape[1:])

    def terms(self, y, target):
        values, counts = self.loss.terms(_steps(y), _steps(target))
        if counts is None and self.size_average:
            return values.reshape(*y.shape[:2], *values.shape[1:]), None
        counts = np.ones(values.shape) if counts is None else counts
        counts = counts if self.size_average else counts / max(y.shape[1], 1)
        return values.reshape(*y.shape[:2], *values.shape[1:]), counts.reshape(*y.shape[:2], *counts.shape[1:])

    def slope(self, y, target):
        return self.loss.slope(_steps(y), _steps(target)).reshape(y.shape)


class TimeDistributedMaskLoss(TimeDistributedLoss):
    """``loss`` of each step whose target is not ``padding_value``, averaged over those steps.

    A target of several values per step is padding where all of them are.

    Shapes
    ------
    y       (batch, steps, *)
    target  (batch, steps, *)
    """

    def __init__(self, loss: Loss, padding_value: float = 0) -> None:
        super().__init__(loss)
        self.padding_value = padding_value

    def _kept(self, target):
        kept = target != self.padding_value
        return kept.any(axis=tuple(range(2, kept.ndim)))

    def check(self, y, target):
        super().check(y, self._filled(target) if target is not None and target.ndim > 1 else target)

    def _filled(self, target):
        """Targets that the loss takes, also where they are padding."""
        kept = self._kept(target)
        return np.where(kept.reshape(*kept.shape, *[1] * (target.ndim - 2)), target, 0).astype(target.dtype)

    def fit(self, y, target):
        return super().fit(y, self._filled(target)), self._kept(target)

    def terms(self, y, target):
        filled, kept = target
        values, counts = super().terms(y, filled)
        kept = kept.reshape(*kept.shape, *[1] * (values.ndim - 2))
        counts = np.ones(values.shape) if counts is None else counts
        return np.where(kept, values, 0), counts * kept

    def slope(self, y, target):
        filled, kept = target
        return np.where(kept.reshape(*kept.shape, *[1] * (y.ndim - 2)), super().slope(y, filled), y.dtype.type(0))


def _steps(x):
    """Samples and steps as one axis."""
    return x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])
