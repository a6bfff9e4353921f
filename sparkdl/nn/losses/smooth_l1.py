"""Squared near 0, absolute further out."""

import numpy as np

from sparkdl.nn.losses.elementwise import ElementwiseLoss


class SmoothL1Loss(ElementwiseLoss):
    """``d**2 / (2 * beta)`` where ``|d| < beta``, else ``|d| - beta / 2``, with ``d = y - target``; L1Loss for beta 0.

    Shapes
    ------
    y, target  (batch, *)

    Source: Girshick (2015), section 2.3.
    """

    def __init__(self, beta: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        if not beta >= 0:
            raise ValueError(f"SmoothL1Loss: beta must be >= 0, got {beta!r}.")
        self.beta = beta

    def terms(self, y, target):
        beta, d = y.dtype.type(self.beta), np.abs(y - target)
        if not beta:
            return d, None
        return np.where(d < beta, d * d / (2 * beta), d - beta / 2), None

    def slope(self, y, target):
        beta, d = y.dtype.type(self.beta), y - target
        return np.clip(d / beta, -1, 1) if beta else np.sign(d)


class HuberLoss(ElementwiseLoss):
    """``d**2 / 2`` where ``|d| <= delta``, else ``delta * (|d| - delta / 2)``, with ``d = y - target``.

    Shapes
    ------
    y, target  (batch, *)

    Source: Huber (1964).
    """

    def __init__(self, delta: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        if not delta > 0:
            raise ValueError(f"HuberLoss: delta must be > 0, got {delta!r}.")
        self.delta = delta

    def terms(self, y, target):
        delta, d = y.dtype.type(self.delta), np.abs(y - target)
        return np.where(d <= delta, d * d / 2, delta * (d - delta / 2)), None

    def slope(self, y, target):
        delta = y.dtype.type(self.delta)
        return np.clip(y - target, -delta, delta)
