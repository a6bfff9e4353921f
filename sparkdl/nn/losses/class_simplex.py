"""Squared distance to the corner of a simplex."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.losses.loss import Loss, check_labels


class ClassSimplexLoss(Loss):
    """Mean squared error against the target class's corner of a regular simplex with ``classes`` unit corners.

    The corners span ``classes - 1`` dimensions; the last output's corner entry is 0.

    Shapes
    ------
    y       (batch, classes)
    target  (batch,)  class numbers

    Source: Mroueh et al. (2012), section 3.
    """

    def __init__(self, classes: int, reduction: str = "mean") -> None:
        super().__init__(reduction)
        if not classes >= 2:
            raise ValueError(f"ClassSimplexLoss: classes must be >= 2, got {classes!r}.")
        self.classes = classes
        self.corners = simplex(classes)

    def check(self, y, target):
        if y.ndim != 2 or y.shape[1] != self.classes:
            raise ShapeError(f"{self!r} takes outputs (batch, {self.classes}), got {y.shape}.")
        check_labels(self, y, target)

    def fit(self, y, target):
        return self.corners[target.astype(np.int64)].astype(y.dtype)

    def terms(self, y, target):
        return np.square(y - target), None

    def slope(self, y, target):
        return 2 * (y - target)


def simplex(classes: int) -> np.ndarray:
    """``classes`` unit vectors (rows), any two with the product ``-1 / (classes - 1)``; the last column is 0."""
    corners = np.zeros((classes, classes))
    for k in range(classes - 1):
        corners[k, k] = np.sqrt(1 - (corners[k, :k] ** 2).sum())
        corners[k + 1 :, k] = (-1 / (classes - 1) - corners[k, :k] @ corners[k, :k]) / corners[k, k]
    return corners
