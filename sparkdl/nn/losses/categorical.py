"""Losses on class probabilities (after a softmax)."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.losses.elementwise import ElementwiseLoss
from sparkdl.nn.losses.loss import Loss, check_labels
from sparkdl.nn.losses.smoothing import checked_smoothing, smoothed

_LEAST = 1e-7


class CategoricalCrossEntropyLoss(Loss):
    """``-sum(t * log(q))`` with ``q = y / sum(y)`` kept in ``1e-7 .. 1 - 1e-7``, averaged over all places.

    ``label_smoothing`` e takes ``(1 - e) * t + e / classes`` for ``t``. For outputs before their softmax take
    CrossEntropyLoss, which is faster and more exact.

    Shapes
    ------
    y       (batch, *, classes)  probabilities: classes on the last axis
    target  (batch, *, classes)  probabilities, or (batch, *) or (batch, *, 1) class numbers

    Source: Keras, ``categorical_crossentropy`` and ``sparse_categorical_crossentropy``.
    """

    def __init__(self, reduction: str = "mean", label_smoothing: float = 0.0) -> None:
        super().__init__(reduction)
        self.label_smoothing = checked_smoothing(self, label_smoothing)

    def check(self, y, target):
        if target is not None and target.shape == y.shape and y.ndim > 1:
            return
        target = _numbers(y, target)
        check_labels(self, np.moveaxis(y, -1, 1) if y.ndim > 1 else y, target)

    def fit(self, y, target):
        if target.shape == y.shape:
            return target.astype(y.dtype, copy=False)
        target = _numbers(y, target)
        return (target[..., None] == np.arange(y.shape[-1])).astype(y.dtype)

    def terms(self, y, target):
        target = smoothed(target, self.label_smoothing, y.shape[-1])
        q = np.clip(y / y.sum(-1, keepdims=True), _LEAST, 1 - _LEAST)
        return -(target * np.log(q)).sum(-1), None

    def slope(self, y, target):
        target = smoothed(target, self.label_smoothing, y.shape[-1])
        total = y.sum(-1, keepdims=True)
        q = y / total
        dq = -target * ((q >= _LEAST) & (q <= 1 - _LEAST)) / np.maximum(q, y.dtype.type(_LEAST))
        return (dq - (dq * q).sum(-1, keepdims=True)) / total


def _numbers(y, target):
    """Class numbers without the last axis of one that Keras's users give them."""
    return target[..., 0] if target is not None and target.shape == (*y.shape[:-1], 1) else target


class CategoricalHingeLoss(ElementwiseLoss):
    """``max(0, 1 + max((1 - t) * y) - sum(t * y))`` over the last axis, averaged over the rest.

    Shapes
    ------
    y, target  (batch, *, classes)  targets one-hot

    Source: Keras, ``categorical_hinge``.
    """

    allowed = (0, 1)

    def check(self, y, target):
        super().check(y, target)
        if y.ndim < 2:
            raise ShapeError(f"{self!r} takes outputs (batch, *, classes), got {y.shape}.")

    def terms(self, y, target):
        wrong = ((1 - target) * y).max(-1)
        return np.maximum(1 + wrong - (target * y).sum(-1), 0), None

    def slope(self, y, target):
        wrong = (1 - target) * y
        highest = np.arange(y.shape[-1]) == wrong.argmax(-1)[..., None]
        on = 1 + wrong.max(-1, keepdims=True) - (target * y).sum(-1, keepdims=True) > 0
        return on * (highest * (1 - target) - target)
