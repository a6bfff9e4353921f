"""Margins between classes."""

import numpy as np

from sparkdl.errors import DataError, ShapeError
from sparkdl.nn.losses.elementwise import ElementwiseLoss
from sparkdl.nn.losses.loss import Loss, as_weights, check_class_weights, check_labels


class MultiLabelMarginLoss(Loss):
    """``sum over right j and wrong i of max(0, 1 - (y[j] - y[i])) / classes``, averaged over the samples.

    Shapes
    ------
    y       (batch, classes)
    target  (batch, classes)  numbers of the right classes, then -1 for the rest of the row
    """

    def check(self, y, target):
        if y.ndim != 2 or target is None or target.shape != y.shape:
            got = getattr(target, "shape", None)
            raise ShapeError(f"{self!r} takes outputs and targets (batch, classes), got {y.shape} and {got}.")
        listed = np.cumprod(target != -1, axis=1).astype(bool)
        bad = listed & ~((target >= 0) & (target < y.shape[1]) & (target == np.floor(target)))
        if bad.any():
            row, column = (int(i) for i in np.argwhere(bad)[0])
            raise DataError(
                f"{self!r}: class numbers run from 0 to {y.shape[1] - 1} and end with -1, "
                f"got {target[row, column]} for sample {row}."
            )

    def _short(self, y, target):
        """How much each right class (axis 1) falls short of its margin to each wrong one (axis 2)."""
        right = np.zeros(y.shape, bool)
        rows, columns = np.nonzero(np.cumprod(target != -1, axis=1))
        right[rows, target[rows, columns].astype(np.int64)] = True
        return np.maximum(1 - (y[:, :, None] - y[:, None, :]), 0) * (right[:, :, None] & ~right[:, None, :])

    def terms(self, y, target):
        return self._short(y, target).sum((1, 2)) / y.dtype.type(y.shape[1]), None

    def slope(self, y, target):
        missed = (self._short(y, target) > 0).astype(y.dtype)
        return (missed.sum(1) - missed.sum(2)) / y.dtype.type(y.shape[1])


class MultiLabelSoftMarginLoss(ElementwiseLoss):
    """Binary cross entropy with logits of each class, averaged over the classes, then over the samples.

    Shapes
    ------
    y, target  (batch, classes)  targets in 0 .. 1
    weight     (classes,)
    """

    allowed = (0, 1)

    def __init__(self, weight=None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.weight = as_weights(weight)

    def check(self, y, target):
        super().check(y, target)
        check_class_weights(self, self.weight, y.shape[-1])

    def _scale(self, y):
        each = np.ones(y.shape[-1]) if self.weight is None else self.weight
        return (each / y.shape[-1]).astype(y.dtype)

    def terms(self, y, target):
        softplus = np.log1p(np.exp(-np.abs(y))) + np.maximum(-y, 0)
        return (self._scale(y) * ((1 - target) * y + softplus)).sum(-1), None

    def slope(self, y, target):
        half = y.dtype.type(0.5)
        return self._scale(y) * (half + half * np.tanh(y * half) - target)


class MultiMarginLoss(Loss):
    """``sum over i != t of weight[t] * max(0, margin - y[t] + y[i])**p / classes``, averaged over the samples.

    Shapes
    ------
    y       (batch, classes)
    target  (batch,)  class numbers
    """

    def __init__(self, p: int = 1, margin: float = 1.0, weight=None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        if p not in (1, 2):
            raise ValueError(f"MultiMarginLoss: p must be 1 or 2, got {p!r}.")
        self.p, self.margin, self.weight = p, margin, as_weights(weight)

    def check(self, y, target):
        check_labels(self, y, target)
        check_class_weights(self, self.weight, y.shape[1])

    def fit(self, y, target):
        return target.astype(np.int64)

    def _short(self, y, target):
        """How far each class is inside the margin, and each sample's weight over the number of classes."""
        rows = np.arange(len(y))
        short = np.maximum(y - y[rows, target][:, None] + y.dtype.type(self.margin), 0)
        short[rows, target] = 0
        weight = 1 if self.weight is None else self.weight[target]
        return short, np.broadcast_to(weight / y.shape[1], (len(y),)).astype(y.dtype)

    def terms(self, y, target):
        short, scale = self._short(y, target)
        return (short if self.p == 1 else short * short).sum(1) * scale, None

    def slope(self, y, target):
        short, scale = self._short(y, target)
        dy = ((short > 0) if self.p == 1 else 2 * short) * scale[:, None]
        dy[np.arange(len(y)), target] = -dy.sum(1)
        return dy
