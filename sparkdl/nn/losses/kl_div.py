"""Kullback-Leibler divergence of outputs from targets."""

import numpy as np

from sparkdl.nn.losses.elementwise import ElementwiseLoss


class KLDivLoss(ElementwiseLoss):
    """``t * (log(t) - y)``, with ``y`` log-probabilities; ``log_target`` says that the targets are logarithms too.

    The mean is over all values; ``reduction="batchmean"`` divides by the number of samples, as the mathematics has it.

    Shapes
    ------
    y, target  (batch, *)
    """

    def __init__(self, log_target: bool = False, reduction: str = "mean") -> None:
        super().__init__("mean" if reduction == "batchmean" else reduction)
        self.log_target, self.reduction = log_target, reduction

    def terms(self, y, target):
        if self.log_target:
            return np.exp(target) * (target - y), None
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(target > 0, target * np.log(target), 0) - target * y, None

    def totals(self, y, target):
        values, counts = super().totals(y, target)
        return values, 1.0 if self.reduction == "batchmean" else counts

    def slope(self, y, target):
        return -np.exp(target) if self.log_target else -target


class KullbackLeiblerDivergenceLoss(ElementwiseLoss):
    """``sum(t * log(t / y))`` over the last axis, with both kept in ``1e-7 .. 1``, averaged over the rest.

    Shapes
    ------
    y, target  (batch, *, classes)  probabilities

    Source: Keras 1, ``kullback_leibler_divergence``.
    """

    def terms(self, y, target):
        y, target = np.clip(y, 1e-7, 1), np.clip(target, 1e-7, 1)
        return (target * np.log(target / y)).sum(-1), None

    def slope(self, y, target):
        inside = (y >= 1e-7) & (y <= 1)
        return np.where(inside, -np.clip(target, 1e-7, 1) / np.clip(y, 1e-7, 1), 0).astype(y.dtype)
