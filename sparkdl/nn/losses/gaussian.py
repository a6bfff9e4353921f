"""Losses on the mean and the variance of a normal distribution, two outputs of one model."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.losses.loss import Loss, check_outputs, flat


class GaussianNLLLoss(Loss):
    """``(log(v) + (t - mean)**2 / v) / 2`` with ``v = max(variance, eps)``, averaged over all values.

    ``full`` adds ``log(2 * pi) / 2``. Where ``eps`` stands in for the variance, the slope still is that of ``v``.

    Shapes
    ------
    y       (mean, variance), each (batch, *), the variance also (batch, *, 1)
    target  (batch, *)
    """

    def __init__(self, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction)
        if not eps > 0:
            raise ValueError(f"GaussianNLLLoss: eps must be > 0, got {eps!r}.")
        self.full, self.eps = full, eps

    def check(self, y, target):
        check_outputs(self, y, ("mean", "variance"))
        mean, variance = y
        if target is None or target.shape != mean.shape or variance.shape not in (mean.shape, (*mean.shape[:-1], 1)):
            got = getattr(target, "shape", None)
            raise ShapeError(
                f"{self!r}: mean and target have one shape, the variance the same or 1 for its last figure; "
                f"got {mean.shape}, {got} and {variance.shape}."
            )
        if (variance < 0).any():
            raise ValueError(f"{self!r}: variances are >= 0, got {variance.min()}; end that branch with nn.Softplus.")

    def fit(self, y, target):
        return target.astype(y[0].dtype, copy=False)

    def terms(self, y, target):
        mean, v = y[0], np.maximum(y[1], y[1].dtype.type(self.eps))
        values = (np.log(v) + (target - mean) ** 2 / v) / 2
        return values + values.dtype.type(np.log(2 * np.pi) / 2 if self.full else 0), None

    def slope(self, y, target):
        mean, v = y[0], np.maximum(y[1], y[1].dtype.type(self.eps))
        d = mean - target
        dv = (1 / v - d * d / (v * v)) / 2
        return d / v, dv if dv.shape == y[1].shape else dv.sum(-1, keepdims=True)


class GaussianLoss(Loss):
    """``(log(2 * pi) + s + (t - mean)**2 / exp(s)) / 2`` with ``s`` the log of the variance, summed per sample.

    Shapes
    ------
    y       (mean, log_variance), each (batch, *)
    target  (batch, *)
    """

    def check(self, y, target):
        check_outputs(self, y, ("mean", "log_variance"))
        if target is None or not y[0].shape == y[1].shape == target.shape:
            got = getattr(target, "shape", None)
            raise ShapeError(f"{self!r}: all arrays have one shape, got {y[0].shape}, {y[1].shape} and targets {got}.")

    def fit(self, y, target):
        return target.astype(y[0].dtype, copy=False)

    def terms(self, y, target):
        mean, s = y
        each = (mean.dtype.type(np.log(2 * np.pi)) + s + (target - mean) ** 2 * np.exp(-s)) / 2
        return flat(each).sum(1), None

    def slope(self, y, target):
        mean, s = y
        d = (mean - target) * np.exp(-s)
        return d, (1 - d * (mean - target)) / 2


class KLDLoss(Loss):
    """``sum(mean**2 + exp(s) - 1 - s) / 2``: how far a normal distribution is from the standard one; mean per sample.

    ``s`` is the logarithm of the variance. The regularising half of a variational autoencoder's loss.

    Shapes
    ------
    y       (mean, log_variance), each (batch, *)
    target  not used, may be None

    Source: Kingma & Welling (2014), appendix B.
    """

    def check(self, y, target):
        check_outputs(self, y, ("mean", "log_variance"))
        if y[0].shape != y[1].shape:
            raise ShapeError(f"{self!r}: mean and log_variance have one shape, got {y[0].shape} and {y[1].shape}.")

    def terms(self, y, target):
        mean, s = y
        return flat((mean * mean + np.exp(s) - 1 - s) / 2).sum(1), None

    def slope(self, y, target):
        mean, s = y
        return mean, (np.exp(s) - 1) / 2
