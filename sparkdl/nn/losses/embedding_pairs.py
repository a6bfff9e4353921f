"""Losses on pairs and triples of vectors, several outputs of one model."""

import numpy as np

from sparkdl.errors import DataError, ShapeError
from sparkdl.nn.losses.loss import Loss, check_outputs, flat


class _PairLoss(Loss):
    """Two outputs of one shape, and one target of -1 or 1 per pair."""

    def check(self, y, target):
        check_outputs(self, y, ("x1", "x2"))
        wanted = self._target_shape(y[0])
        if y[0].shape != y[1].shape or target is None or target.size != np.prod(wanted) or len(target) != len(y[0]):
            got = getattr(target, "shape", None)
            raise ShapeError(
                f"{self!r} takes two outputs of one shape and targets {wanted}, "
                f"got {y[0].shape}, {y[1].shape} and targets {got}."
            )
        bad = ~np.isin(target, (-1, 1))
        if bad.any():
            where = tuple(int(i) for i in np.argwhere(bad)[0])
            raise DataError(f"{self!r}: targets are -1 or 1, got {target[where]} for sample {where[0]}.")

    def _target_shape(self, x):
        return x.shape[:1]

    def fit(self, y, target):
        return target.astype(y[0].dtype, copy=False).reshape(self._target_shape(y[0]))


class MarginRankingLoss(_PairLoss):
    """``max(0, margin - t * (x1 - x2))``, averaged over all values: ``t`` 1 wants ``x1`` above ``x2``.

    Shapes
    ------
    y       (x1, x2), each (batch, *)
    target  (batch, *)  -1 or 1
    """

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def _target_shape(self, x):
        return x.shape

    def terms(self, y, target):
        return np.maximum(target.dtype.type(self.margin) - target * (y[0] - y[1]), 0), None

    def slope(self, y, target):
        d = -target * (target.dtype.type(self.margin) - target * (y[0] - y[1]) > 0)
        return d, -d


class CosineEmbeddingLoss(_PairLoss):
    """``1 - cos(x1, x2)`` for targets 1, ``max(0, cos(x1, x2) - margin)`` for -1; averaged over the samples.

    Shapes
    ------
    y       (x1, x2), each (batch, features)
    target  (batch,)  -1 or 1
    """

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def terms(self, y, target):
        cos = _cosine(*y)[0]
        return np.where(target > 0, 1 - cos, np.maximum(cos - cos.dtype.type(self.margin), 0)), None

    def slope(self, y, target):
        cos, d1, d2 = _cosine(*y)
        scale = np.where(target > 0, -1, cos > self.margin).astype(cos.dtype)[:, None]
        return (scale * d1).reshape(y[0].shape), (scale * d2).reshape(y[1].shape)


class CosineDistanceLoss(Loss):
    """``1 - cos(y, target)``, averaged over the samples.

    Shapes
    ------
    y, target  (batch, *)
    """

    def check(self, y, target):
        if target is None or y.shape != target.shape or y.ndim < 2:
            got = getattr(target, "shape", None)
            raise ShapeError(f"{self!r} compares vectors of one shape, got outputs {y.shape} and targets {got}.")

    def fit(self, y, target):
        return target.astype(y.dtype, copy=False)

    def terms(self, y, target):
        return 1 - _cosine(y, target)[0], None

    def slope(self, y, target):
        return -_cosine(y, target)[1].reshape(y.shape)


def _cosine(a, b):
    """The cosine of each pair, and its slopes; a vector shorter than 1e-8 counts as that long."""
    a, b = flat(a), flat(b)
    tiny = a.dtype.type(1e-16)
    aa, bb = (a * a).sum(1, keepdims=True) + tiny, (b * b).sum(1, keepdims=True) + tiny
    scale = 1 / np.sqrt(aa * bb)
    cos = (a * b).sum(1, keepdims=True) * scale
    return cos[:, 0], b * scale - a * (cos / aa), a * scale - b * (cos / bb)


class L1HingeEmbeddingLoss(_PairLoss):
    """``d = sum |x1 - x2|`` for targets 1, ``max(0, margin - d)`` for -1; averaged over the samples.

    Shapes
    ------
    y       (x1, x2), each (batch, *)
    target  (batch,)  -1 or 1
    """

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def _distance(self, y):
        return flat(np.abs(y[0] - y[1])).sum(1)

    def terms(self, y, target):
        d = self._distance(y)
        return np.where(target > 0, d, np.maximum(d.dtype.type(self.margin) - d, 0)), None

    def slope(self, y, target):
        scale = np.where(target > 0, 1, -(self._distance(y) < self.margin).astype(target.dtype)).astype(target.dtype)
        d = np.sign(y[0] - y[1]) * scale.reshape(-1, *[1] * (y[0].ndim - 1))
        return d, -d


class TripletMarginLoss(Loss):
    """``max(0, |a - p| - |a - n| + margin)`` in the ``p``-norm, averaged over the samples.

    ``swap`` takes ``|p - n|`` for the second distance where that is smaller. ``eps`` is added to each difference.

    Shapes
    ------
    y       (anchor, positive, negative), each (batch, features)
    target  not used, may be None

    Source: Balntas et al. (2016).
    """

    def __init__(
        self, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6, swap: bool = False, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction)
        self.margin, self.p, self.eps, self.swap = margin, p, eps, swap

    def check(self, y, target):
        check_outputs(self, y, ("anchor", "positive", "negative"))
        if not y[0].shape == y[1].shape == y[2].shape or y[0].ndim != 2:
            raise ShapeError(f"{self!r} takes three outputs (batch, features), got {[each.shape for each in y]}.")

    def _distance(self, a, b):
        """The distance of each pair and its slope in ``a``."""
        d = a - b + a.dtype.type(self.eps)
        size, p = np.abs(d), a.dtype.type(self.p)
        length = (size**p).sum(1) ** (1 / p)
        return length, np.sign(d) * (size / np.maximum(length, a.dtype.type(1e-30))[:, None]) ** (p - 1)

    def _all(self, y):
        (near, d_near), (far, d_far) = self._distance(y[0], y[1]), self._distance(y[0], y[2])
        swapped = np.zeros(len(near), bool)
        if self.swap:
            other, d_other = self._distance(y[1], y[2])
            swapped = other < far
            far, d_far = np.where(swapped, other, far), np.where(swapped[:, None], d_other, d_far)
        return np.maximum(near - far + near.dtype.type(self.margin), 0), d_near, d_far, swapped[:, None]

    def terms(self, y, target):
        return self._all(y)[0], None

    def slope(self, y, target):
        values, d_near, d_far, swapped = self._all(y)
        on = (values > 0)[:, None]
        d_near, d_far = d_near * on, d_far * on
        zero = d_far.dtype.type(0)
        anchor, positive = d_near - np.where(swapped, zero, d_far), -d_near - np.where(swapped, d_far, zero)
        return anchor, positive, d_far
