"""Negative log likelihood of a Poisson distribution."""

import numpy as np

from sparkdl.nn.losses.elementwise import ElementwiseLoss


class PoissonNLLLoss(ElementwiseLoss):
    """``exp(y) - t * y``, or ``y - t * log(y + eps)`` where ``y`` is the rate itself (``log_input=False``).

    ``full`` adds Stirling's ``t * log(t) - t + log(2 * pi * t) / 2`` for targets above 1. Averaged over all values.

    Shapes
    ------
    y, target  (batch, *)
    """

    def __init__(self, log_input: bool = True, full: bool = False, eps: float = 1e-8, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.log_input, self.full, self.eps = log_input, full, eps

    def terms(self, y, target):
        values = np.exp(y) - target * y if self.log_input else y - target * np.log(y + y.dtype.type(self.eps))
        if self.full:
            t = np.maximum(target, 1)
            values = values + np.where(target > 1, t * np.log(t) - t + np.log(2 * np.pi * t) / 2, 0).astype(y.dtype)
        return values, None

    def slope(self, y, target):
        return np.exp(y) - target if self.log_input else 1 - target / (y + y.dtype.type(self.eps))
