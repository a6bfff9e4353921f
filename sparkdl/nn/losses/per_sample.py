"""Caffe's losses: sums over the values of a sample, averaged over samples."""

import numpy as np

from sparkdl.nn.losses.elementwise import ElementwiseLoss
from sparkdl.nn.losses.loss import Loss, check_labels, flat


class EuclideanLoss(ElementwiseLoss):
    """``sum((y - target) ** 2) / 2`` of each sample, averaged over samples.

    Shapes
    ------
    y, target  (batch, *)

    Source: Caffe's layer of this name.
    """

    def terms(self, y, target):
        return flat(np.square(y - target) / 2).sum(1), None

    def slope(self, y, target):
        return y - target


class SigmoidCrossEntropyLoss(ElementwiseLoss):
    """``sum(max(y, 0) - y t + log(1 + exp(-|y|)))`` of each sample, averaged over samples; y before its sigmoid.

    Shapes
    ------
    y, target  (batch, *), targets in 0 .. 1

    Source: Caffe's layer of this name.
    """

    allowed = (0, 1)

    def terms(self, y, target):
        return flat(np.maximum(y, 0) - y * target + np.log1p(np.exp(-np.abs(y)))).sum(1), None

    def slope(self, y, target):
        half = y.dtype.type(0.5)
        return half + half * np.tanh(half * y) - target


class HingeLoss(Loss):
    """``sum_c max(0, 1 - s_c y_c) ** p`` with s = 1 for the right class, else -1; averaged over samples.

    Shapes
    ------
    y       (batch, classes, *)
    target  (batch, *)  class numbers

    Source: Caffe's layer of this name, with norm L1 (p = 1) or L2 (p = 2).
    """

    def __init__(self, p: int = 1) -> None:
        super().__init__()
        self.p = p
        if p not in (1, 2):
            raise ValueError(f"HingeLoss: p is 1 or 2, got {p!r}.")

    def check(self, y, target):
        check_labels(self, y, target)

    def _gaps(self, y, target):
        signs = np.full_like(y, -1)
        np.put_along_axis(signs, target[:, None].astype(np.int64), 1, axis=1)
        return np.maximum(1 - signs * y, 0), signs

    def terms(self, y, target):
        return flat(self._gaps(y, target)[0] ** self.p).sum(1), None

    def slope(self, y, target):
        gaps, signs = self._gaps(y, target)
        return -signs * ((gaps > 0) if self.p == 1 else 2 * gaps).astype(y.dtype)
