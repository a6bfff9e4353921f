"""Relative, logarithmic and smooth errors of regressions."""

import numpy as np

from sparkdl.nn.losses.elementwise import ElementwiseLoss


class MAPELoss(ElementwiseLoss):
    """Mean absolute percentage error: ``100 * |t - y| / max(|t|, 1e-7)``.

    Shapes
    ------
    y, target  (batch, *)
    """

    def _scale(self, target):
        return target.dtype.type(100) / np.maximum(np.abs(target), target.dtype.type(1e-7))

    def terms(self, y, target):
        return np.abs(y - target) * self._scale(target), None

    def slope(self, y, target):
        return np.sign(y - target) * self._scale(target)


class MSLELoss(ElementwiseLoss):
    """Mean squared logarithmic error: ``(log(1 + max(t, 1e-7)) - log(1 + max(y, 1e-7)))**2``.

    Shapes
    ------
    y, target  (batch, *)
    """

    def _logs(self, y, target):
        tiny = y.dtype.type(1e-7)
        return np.log1p(np.maximum(y, tiny)) - np.log1p(np.maximum(target, tiny))

    def terms(self, y, target):
        return self._logs(y, target) ** 2, None

    def slope(self, y, target):
        tiny = y.dtype.type(1e-7)
        return 2 * self._logs(y, target) * (y > tiny) / (1 + np.maximum(y, tiny))


class LogCoshLoss(ElementwiseLoss):
    """``log(cosh(y - t))``: about half the square near 0, about the distance far out.

    Shapes
    ------
    y, target  (batch, *)
    """

    def terms(self, y, target):
        d = np.abs(y - target)
        return d + np.log1p(np.exp(-2 * d)) - y.dtype.type(np.log(2)), None

    def slope(self, y, target):
        return np.tanh(y - target)
