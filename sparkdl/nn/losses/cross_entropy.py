"""Softmax and negative log likelihood in one."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.kernel import njit
from sparkdl.nn.kernels import vmath
from sparkdl.nn.losses.loss import check_class_weights, check_one
from sparkdl.nn.losses.nll import NLLLoss, as_classes, places

_ROWS = 256  # rows whose exponentials are held at a time


class CrossEntropyLoss(NLLLoss):
    """``-sum_c weight[c] * q[c] * log softmax(y)[c]``, ``q`` one-hot at the class number or the given probabilities.

    ``label_smoothing`` e takes ``(1 - e) * q + e / classes`` for ``q``. The mean divides by the summed weights of the
    right classes; for probabilities, by the number of places. Class numbers equal to ``ignore_index`` count nothing.

    Shapes
    ------
    y       (batch, classes, *)  scores of any scale (logits)
    target  (batch, *)           whole numbers 0 .. classes - 1, or (batch, classes, *) probabilities
    """

    def __init__(self, weight=None, ignore_index: int = -100, label_smoothing: float = 0.0, reduction: str = "mean"):
        super().__init__(weight, ignore_index, reduction)
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"CrossEntropyLoss: label_smoothing lies in 0 .. 1, got {label_smoothing!r}.")
        self.label_smoothing = label_smoothing

    def check(self, y, target):
        check_one(self, y)
        if target is not None and target.ndim == y.ndim > 1:
            if target.shape != y.shape:
                raise ShapeError(f"{self!r}: probabilities have the outputs' shape {y.shape}, got {target.shape}.")
            check_class_weights(self, self.weight, y.shape[1])
        else:
            super().check(y, target)

    def fit(self, y, target):
        return target.astype(y.dtype, copy=False) if target.ndim == y.ndim else super().fit(y, target)

    def terms(self, y, target):
        shape = (y.shape[0], *y.shape[2:])
        values, number = np.empty(shape, y.dtype), y.dtype.type
        if target.ndim == y.ndim:
            _forward_soft(values.ravel(), places(y), self._wanted(y, target))
            return values, None
        counts = np.empty(shape, y.dtype)
        _forward(
            values.ravel(), counts.ravel(), places(y), target.ravel(), self.class_weights(y), self.ignore_index,
            number(self.label_smoothing),
        )  # fmt: skip
        return values, counts

    def slope(self, y, target):
        rows = np.empty((y.size // y.shape[1], y.shape[1]), y.dtype)
        if target.ndim == y.ndim:
            _backward_soft(rows, places(y), self._wanted(y, target))
        else:
            smoothing = y.dtype.type(self.label_smoothing)
            _backward(rows, places(y), target.ravel(), self.class_weights(y), self.ignore_index, smoothing)
        return as_classes(rows, y)

    def _wanted(self, y, target):
        """``weight * q`` of each place."""
        e = y.dtype.type(self.label_smoothing)
        return ((1 - e) * places(target) + e / y.dtype.type(y.shape[1])) * self.class_weights(y)


@njit
def _exponentials(e, y, tops, logs):
    """``e = exp(y - tops)`` with each row's highest score in ``tops``, and ``logs``, the log of each row's sum."""
    for r in range(len(y)):
        top = y[r, 0]
        for c in range(1, y.shape[1]):
            top = max(top, y[r, c])
        tops[r] = top
        for c in range(y.shape[1]):
            e[r, c] = y[r, c] - top
    flat = e.reshape(e.size)  # one loop over all values is vector code also where the rows are short
    for i in range(flat.size):
        flat[i] = vmath.exp(flat[i])
    for r in range(len(y)):
        total = y.dtype.type(0)
        for c in range(y.shape[1]):
            total += e[r, c]
        logs[r] = vmath.log(total)


@njit
def _forward(values, counts, y, target, weight, ignore, smoothing):
    zero, one = y.dtype.type(0), y.dtype.type(1)
    spread = smoothing / y.dtype.type(y.shape[1])
    for a in range(0, len(y), _ROWS):
        rows = y[a : a + _ROWS]
        e, tops, logs = np.empty_like(rows), np.empty_like(rows[:, 0]), np.empty_like(rows[:, 0])
        _exponentials(e, rows, tops, logs)
        for r in range(len(rows)):
            t = target[a + r]
            if t == ignore:
                values[a + r], counts[a + r] = zero, zero
                continue
            top, log = tops[r], logs[r]
            total = (one - smoothing) * weight[t] * (top + log - rows[r, t])
            if smoothing > zero:
                for c in range(rows.shape[1]):
                    total += spread * weight[c] * (top + log - rows[r, c])
            values[a + r], counts[a + r] = total, weight[t]


@njit
def _backward(dy, y, target, weight, ignore, smoothing):
    zero, one = y.dtype.type(0), y.dtype.type(1)
    spread, weights = smoothing / y.dtype.type(y.shape[1]), zero
    for c in range(y.shape[1]):
        weights += weight[c]
    tops, logs = np.empty_like(y[:, 0]), np.empty_like(y[:, 0])
    _exponentials(dy, y, tops, logs)
    for r in range(len(y)):
        t = target[r]
        if t == ignore:
            dy[r] = zero
            continue
        scale = ((one - smoothing) * weight[t] + spread * weights) * vmath.exp(-logs[r])
        for c in range(y.shape[1]):
            dy[r, c] = scale * dy[r, c] - spread * weight[c]
        dy[r, t] -= (one - smoothing) * weight[t]


@njit
def _forward_soft(values, y, q):
    e, tops, logs = np.empty_like(y), np.empty_like(y[:, 0]), np.empty_like(y[:, 0])
    _exponentials(e, y, tops, logs)
    for r in range(len(y)):
        total = y.dtype.type(0)
        for c in range(y.shape[1]):
            total += q[r, c] * (tops[r] + logs[r] - y[r, c])
        values[r] = total


@njit
def _backward_soft(dy, y, q):
    tops, logs = np.empty_like(y[:, 0]), np.empty_like(y[:, 0])
    _exponentials(dy, y, tops, logs)
    for r in range(len(y)):
        total = y.dtype.type(0)
        for c in range(y.shape[1]):
            total += q[r, c]
        scale = total * vmath.exp(-logs[r])
        for c in range(y.shape[1]):
            dy[r, c] = scale * dy[r, c] - q[r, c]
