"""Margins between outputs and targets of -1 and 1."""

import numpy as np

from sparkdl.nn.losses.elementwise import ElementwiseLoss


class MarginLoss(ElementwiseLoss):
    """``max(0, margin - t * y)`` (the hinge), or its square; averaged over all values.

    Shapes
    ------
    y, target  (batch, *)  targets -1 or 1
    """

    labels = (-1, 1)

    def __init__(self, margin: float = 1.0, squared: bool = False, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin, self.squared = margin, squared

    def terms(self, y, target):
        short = np.maximum(y.dtype.type(self.margin) - target * y, 0)
        return short * short if self.squared else short, None

    def slope(self, y, target):
        short = np.maximum(y.dtype.type(self.margin) - target * y, 0)
        return -target * (2 * short if self.squared else (short > 0))


class HingeEmbeddingLoss(ElementwiseLoss):
    """``y`` where the target is 1, ``max(0, margin - y)`` where it is -1; averaged over all values.

    Shapes
    ------
    y, target  (batch, *)  y distances, targets -1 or 1
    """

    labels = (-1, 1)

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def terms(self, y, target):
        return np.where(target > 0, y, np.maximum(y.dtype.type(self.margin) - y, 0)), None

    def slope(self, y, target):
        return np.where(target > 0, 1, -(y < self.margin).astype(y.dtype)).astype(y.dtype)


class SoftMarginLoss(ElementwiseLoss):
    """``log(1 + exp(-t * y))``, averaged over all values.

    Shapes
    ------
    y, target  (batch, *)  targets -1 or 1
    """

    labels = (-1, 1)

    def terms(self, y, target):
        z = target * y
        return np.log1p(np.exp(-np.abs(z))) + np.maximum(-z, 0), None

    def slope(self, y, target):
        half = y.dtype.type(0.5)
        return target * (np.tanh(target * y * half) - 1) * half
