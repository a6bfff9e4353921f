"""Cross entropy that looks away from what is already right."""

import numpy as np

from sparkdl.nn.losses.elementwise import ElementwiseLoss


class FocalLoss(ElementwiseLoss):
    """``-a * (1 - p)**gamma * log(p)``, averaged over all values.

    ``p`` is ``sigmoid(y)`` for a target of 1 and ``1 - sigmoid(y)`` for 0; ``a`` is ``alpha`` and ``1 - alpha`` (1 for
    a negative ``alpha``).

    Shapes
    ------
    y, target  (batch, *)  y of any scale (logits), targets 0 or 1

    Source: Lin et al. (2017), equation 5.
    """

    labels = (0, 1)

    def __init__(self, alpha: float = 0.25, gamma: float = 2.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        if not gamma >= 0:
            raise ValueError(f"FocalLoss: gamma must be >= 0, got {gamma!r}.")
        self.alpha, self.gamma = alpha, gamma

    def _parts(self, y, target):
        """``a``, ``p``, ``log(p)`` and the sign of the target."""
        sign = 2 * target - 1
        z = sign * y
        half = y.dtype.type(0.5)
        log_p = -(np.log1p(np.exp(-np.abs(z))) + np.maximum(-z, 0))
        a = y.dtype.type(1) if self.alpha < 0 else np.where(target > 0, self.alpha, 1 - self.alpha).astype(y.dtype)
        return a, half + half * np.tanh(z * half), log_p, sign

    def terms(self, y, target):
        a, p, log_p, _ = self._parts(y, target)
        return -a * (1 - p) ** y.dtype.type(self.gamma) * log_p, None

    def slope(self, y, target):
        a, p, log_p, sign = self._parts(y, target)
        gamma = y.dtype.type(self.gamma)
        return a * sign * (1 - p) ** gamma * (gamma * p * log_p - (1 - p))
