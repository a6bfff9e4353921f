"""Negative log likelihood of the right class."""

import numpy as np

from sparkdl.nn.losses.loss import Loss, check_labels


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
        self.weight = None if weight is None else np.asarray(weight, np.float64)
        self.ignore_index = ignore_index

    def check(self, y, target):
        check_labels(self, y, target, self.ignore_index)
        if self.weight is not None and self.weight.shape != (y.shape[1],):
            raise ValueError(f"{self!r}: weight holds one number per class, {y.shape[1]}, got {self.weight.shape}.")

    def _picked(self, y, target):
        """Class numbers fit to index with, and what each place counts for."""
        target = target.astype(np.int64)
        kept = target != self.ignore_index
        target = np.where(kept, target, 0)
        if self.weight is not None:
            return target, np.where(kept, self.weight[target], 0).astype(y.dtype)
        return target, kept.astype(y.dtype)

    def terms(self, y, target):
        target, scale = self._picked(y, target)
        values = -np.take_along_axis(y, target[:, None], axis=1)[:, 0] * scale
        return _per_sample(values), _per_sample(scale)

    def slope(self, y, target):
        target, scale = self._picked(y, target)
        dy = np.zeros_like(y)
        np.put_along_axis(dy, target[:, None], -scale[:, None], axis=1)
        return dy


def _per_sample(values):
    """Sums over all axes but the first, in float64."""
    return values.astype(np.float64).reshape(len(values), -1).sum(1) if values.ndim > 1 else values.astype(np.float64)
