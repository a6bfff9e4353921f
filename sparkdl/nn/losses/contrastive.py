"""Pairs that are alike come near each other, others move apart."""

import numpy as np

from sparkdl.errors import DataError, ShapeError
from sparkdl.nn.losses.loss import Loss, check_outputs, flat


class ContrastiveLoss(Loss):
    """``d^2 / 2`` for pairs that are alike (target 1), ``max(0, margin - d)^2 / 2`` for others (0), ``d = |x1 - x2|``.

    Averaged over the pairs. ``squared`` takes ``max(0, margin - d^2) / 2`` for the others, as Caffe once did.

    Shapes
    ------
    y       (x1, x2), each (batch, *)
    target  (batch,) or (batch, 1)  0 or 1

    Source: Hadsell, Chopra & LeCun (2006), and Caffe's layer of this name.
    """

    def __init__(self, margin: float = 1.0, squared: bool = False, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin, self.squared = margin, squared

    def check(self, y, target):
        check_outputs(self, y, ("x1", "x2"))
        if y[0].shape != y[1].shape or target is None or target.size != len(y[0]) or len(target) != len(y[0]):
            got = getattr(target, "shape", None)
            raise ShapeError(
                f"{self!r} takes two outputs of one shape and a target for each pair, "
                f"got {y[0].shape}, {y[1].shape} and targets {got}."
            )
        if not np.isin(target, (0, 1)).all():
            raise DataError(f"{self!r}: targets are 1 (alike) or 0, got {np.setdiff1d(target, (0, 1))[0]}.")

    def fit(self, y, target):
        return target.reshape(len(target)) == 1

    def terms(self, y, target):
        square, margin, half = _square(y), y[0].dtype.type(self.margin), y[0].dtype.type(0.5)
        apart = np.maximum(margin - square, 0) if self.squared else np.maximum(margin - np.sqrt(square), 0) ** 2
        return half * np.where(target, square, apart), None

    def slope(self, y, target):
        square, margin = _square(y), y[0].dtype.type(self.margin)
        if self.squared:
            pushed = np.where(square < margin, -1, 0)
        else:  # two equal vectors have no direction in which to part
            distance = np.sqrt(square)
            pushed = -np.maximum(margin - distance, 0) / np.where(distance > 0, distance, 1)
        scale = np.where(target, 1, pushed).astype(square.dtype).reshape(-1, *[1] * (y[0].ndim - 1))
        d = scale * (y[0] - y[1])
        return d, -d


def _square(y):
    return flat(np.square(y[0] - y[1])).sum(1) if y[0].ndim > 1 else np.square(y[0] - y[1])
