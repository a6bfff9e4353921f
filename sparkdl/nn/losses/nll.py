"""Negative log likelihood of the right class."""

import numpy as np

from sparkdl.kernel import njit
from sparkdl.nn.losses.loss import Loss, as_weights, check_class_weights, check_labels


class NLLLoss(Loss):
    """``-weight[t] * y[t]``, with ``y`` log-probabilities and ``t`` the class number.

    The mean divides by the summed class weights. Targets equal to ``ignore_index`` count nothing.

    Shapes
    ------
    y       (batch, classes, *)  log-probabilities, as nn.LogSoftmax gives
    target  (batch, *)           whole numbers 0 .. classes - 1
    """

    def __init__(self, weight=None, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.weight, self.ignore_index = as_weights(weight), ignore_index

    def check(self, y, target):
        check_labels(self, y, target, self.ignore_index)
        check_class_weights(self, self.weight, y.shape[1])

    def fit(self, y, target):
        return np.ascontiguousarray(target, np.int64)

    def terms(self, y, target):
        values, counts = np.empty(target.shape, y.dtype), np.empty(target.shape, y.dtype)
        _forward(values.ravel(), counts.ravel(), places(y), target.ravel(), self.class_weights(y), self.ignore_index)
        return values, counts

    def slope(self, y, target):
        rows = np.zeros((target.size, y.shape[1]), y.dtype)
        _backward(rows, target.ravel(), self.class_weights(y), self.ignore_index)
        return as_classes(rows, y)

    def class_weights(self, y):
        """One weight per class in the dtype of ``y``."""
        return np.ones(y.shape[1], y.dtype) if self.weight is None else self.weight.astype(y.dtype)


def places(y):
    """``(batch, classes, *)`` as one contiguous row of classes per place (a view if classes lie together in memory)."""
    return np.ascontiguousarray(y if y.ndim == 2 else np.moveaxis(y, 1, -1)).reshape(-1, y.shape[1])


def as_classes(rows, y):
    """Rows of classes, one per place, in the shape of ``y`` (a view)."""
    return rows if y.ndim == 2 else np.moveaxis(rows.reshape(y.shape[0], *y.shape[2:], y.shape[1]), -1, 1)


@njit
def _forward(values, counts, y, target, weight, ignore):
    zero = y.dtype.type(0)
    for r in range(len(target)):
        t = target[r]
        values[r] = zero if t == ignore else -weight[t] * y[r, t]
        counts[r] = zero if t == ignore else weight[t]


@njit
def _backward(dy, target, weight, ignore):
    for r in range(len(target)):
        if target[r] != ignore:
            dy[r, target[r]] = -weight[target[r]]
