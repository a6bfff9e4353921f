"""Binary cross entropy."""

import numpy as np

from sparkdl.errors import DataError
from sparkdl.nn.losses.loss import Loss, check_same_shape


class BCEWithLogitsLoss(Loss):
    """``(1 - t) * y + (1 + (pos_weight - 1) * t) * log(1 + exp(-y))``, averaged over all values.

    Shapes
    ------
    y, target  (batch, *)  y of any scale (logits), targets in 0 .. 1
    """

    def __init__(self, pos_weight=None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.pos_weight = None if pos_weight is None else np.asarray(pos_weight, np.float64)

    def check(self, y, target):
        check_same_shape(self, y, target)
        bad = ~((target >= 0) & (target <= 1))
        if bad.any():
            where = tuple(int(i) for i in np.argwhere(bad)[0])
            raise DataError(f"{self!r}: targets lie in 0 .. 1, got {target[where]} for sample {where[0]}.")

    def _positive(self, y):
        return y.dtype.type(1) if self.pos_weight is None else self.pos_weight.astype(y.dtype)

    def terms(self, y, target):
        t = target.astype(y.dtype)
        softplus = np.log1p(np.exp(-np.abs(y))) + np.maximum(-y, 0)  # log(1 + exp(-y)) without overflow
        values = ((1 - t) * y + (1 + (self._positive(y) - 1) * t) * softplus).astype(np.float64).reshape(len(y), -1)
        return values.sum(1), np.full(len(y), float(values.shape[1]))

    def slope(self, y, target):
        t = target.astype(y.dtype)
        half = np.tanh(y * y.dtype.type(0.5)) * y.dtype.type(0.5)
        sigmoid = half + y.dtype.type(0.5)
        return (1 - t) - (1 + (self._positive(y) - 1) * t) * (1 - sigmoid)
