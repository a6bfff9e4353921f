"""Binary cross entropy."""

import numpy as np

from sparkdl.nn.losses.elementwise import ElementwiseLoss
from sparkdl.nn.losses.loss import as_weights
from sparkdl.nn.losses.smoothing import checked_smoothing, smoothed


class BCELoss(ElementwiseLoss):
    """``-weight * (t * log(y) + (1 - t) * log(1 - y))``, averaged over all values; logarithms stop at -100.

    ``weight`` broadcasts to one sample. ``label_smoothing`` e takes ``(1 - e) * t + e / 2`` for ``t``. For outputs
    before their sigmoid take BCEWithLogitsLoss, which is more exact.

    Shapes
    ------
    y, target  (batch, *)  both in 0 .. 1
    """

    allowed = (0, 1)

    def __init__(self, weight=None, reduction: str = "mean", label_smoothing: float = 0.0) -> None:
        super().__init__(reduction)
        self.weight, self.label_smoothing = as_weights(weight), checked_smoothing(self, label_smoothing)

    def _scale(self, y):
        return y.dtype.type(1) if self.weight is None else self.weight.astype(y.dtype)

    def terms(self, y, target):
        target = smoothed(target, self.label_smoothing, 2)
        with np.errstate(divide="ignore"):
            right, wrong = np.maximum(np.log(y), -100), np.maximum(np.log1p(-y), -100)
        return -self._scale(y) * (target * right + (1 - target) * wrong), None

    def slope(self, y, target):
        target = smoothed(target, self.label_smoothing, 2)
        return self._scale(y) * (y - target) / np.maximum(y * (1 - y), y.dtype.type(1e-12))


class BCEWithLogitsLoss(ElementwiseLoss):
    """``weight * ((1 - t) * y + (1 + (pos_weight - 1) * t) * log(1 + exp(-y)))``, averaged over all values.

    ``weight`` and ``pos_weight`` (what a positive target counts for) broadcast to one sample. ``label_smoothing`` e
    takes ``(1 - e) * t + e / 2`` for ``t``.

    Shapes
    ------
    y, target  (batch, *)  y of any scale (logits), targets in 0 .. 1
    """

    allowed = (0, 1)

    def __init__(
        self, weight=None, pos_weight=None, reduction: str = "mean", label_smoothing: float = 0.0
    ) -> None:  # fmt: skip
        super().__init__(reduction)
        self.weight, self.pos_weight = as_weights(weight), as_weights(pos_weight)
        self.label_smoothing = checked_smoothing(self, label_smoothing)

    def _scales(self, y, t):
        """Weight of each value, and of its softplus part."""
        weight = y.dtype.type(1) if self.weight is None else self.weight.astype(y.dtype)
        return weight, (1 if self.pos_weight is None else 1 + (self.pos_weight.astype(y.dtype) - 1) * t)

    def terms(self, y, target):
        target = smoothed(target, self.label_smoothing, 2)
        weight, positive = self._scales(y, target)
        softplus = np.log1p(np.exp(-np.abs(y))) + np.maximum(-y, 0)  # log(1 + exp(-y)) without overflow
        return weight * ((1 - target) * y + positive * softplus), None

    def slope(self, y, target):
        target = smoothed(target, self.label_smoothing, 2)
        weight, positive = self._scales(y, target)
        sigmoid = y.dtype.type(0.5) * (1 + np.tanh(y * y.dtype.type(0.5)))
        return weight * ((1 - target) - positive * (1 - sigmoid))
