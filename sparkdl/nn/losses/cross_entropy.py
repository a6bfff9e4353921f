"""Softmax and negative log likelihood in one."""

import numpy as np

from sparkdl.nn.losses.loss import check_labels
from sparkdl.nn.losses.nll import NLLLoss, _per_sample


class CrossEntropyLoss(NLLLoss):
    """``-sum_c q[c] * weight[c] * log softmax(y)[c]`` with ``q`` one-hot at the class number, smoothed.

    ``label_smoothing`` e gives ``q = (1 - e) * onehot + e / classes``. The mean divides by the summed weights of the
    right classes.

    Shapes
    ------
    y       (batch, classes, *)  scores of any scale (logits)
    target  (batch, *)           whole numbers 0 .. classes - 1
    """

    def __init__(self, weight=None, ignore_index: int = -100, label_smoothing: float = 0.0, reduction: str = "mean"):
        super().__init__(weight, ignore_index, reduction)
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"CrossEntropyLoss: label_smoothing lies in 0 .. 1, got {label_smoothing!r}.")
        self.label_smoothing = label_smoothing

    def check(self, y, target):
        check_labels(self, y, target, self.ignore_index)

    def _wanted(self, y, target):
        """``q * weight`` for each place, and what each place counts for in the mean."""
        target, scale = self._picked(y, target)
        q = np.zeros_like(y)
        np.put_along_axis(q, target[:, None], (1 - self.label_smoothing) * scale[:, None], axis=1)
        if self.label_smoothing:
            each = np.ones(y.shape[1]) if self.weight is None else self.weight
            spread = (each * self.label_smoothing / y.shape[1]).astype(y.dtype)
            q += spread.reshape(1, -1, *[1] * (y.ndim - 2)) * (scale != 0)[:, None]
        return q, scale

    def terms(self, y, target):
        q, scale = self._wanted(y, target)
        return _per_sample(-(q * _log_softmax(y)).sum(axis=1)), _per_sample(scale)

    def slope(self, y, target):
        q, _ = self._wanted(y, target)
        return np.exp(_log_softmax(y)) * q.sum(axis=1, keepdims=True) - q


def _log_softmax(y):
    shifted = y - y.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
