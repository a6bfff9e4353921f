"""Layers that leave their input as it is and change the loss or the gradient."""

from __future__ import annotations

import numpy as np

from sparkdl.nn.module import Layer


class GradientReversal(Layer):
    """``y = x``; the gradient comes back as ``-lambd * dy``.  Source: Ganin & Lempitsky (2014), equation 9."""

    integers = True

    def __init__(self, lambd: float = 1.0) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, x, ctx):
        return x

    def backward(self, dy, ctx):
        return dy * dy.dtype.type(-self.lambd)


class ActivityRegularization(Layer):
    """``y = x``; in training the loss grows by the mean over samples of ``l1 * sum|x| + l2 * sum x**2``."""

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        super().__init__()
        if not (l1 >= 0 and l2 >= 0):
            raise ValueError(f"{type(self).__name__}: factors must be >= 0, got {l1!r} and {l2!r}.")
        self.l1, self.l2 = l1, l2

    def forward(self, x, ctx):
        if ctx.training:
            ctx.penalize(ctx.leaf_sums(lambda rows: _total(self._terms(x[rows])), 1)[:, 0])
        ctx.save(x if ctx.training else None)
        return x

    def _terms(self, x):
        return self.l1 * np.abs(x) + self.l2 * np.square(x)

    def _slope(self, x):
        return self.l1 * np.sign(x) + 2 * self.l2 * x

    def backward(self, dy, ctx):
        (x,) = ctx.saved
        return dy if x is None else dy + (ctx.per_sample * self._slope(x)).astype(dy.dtype)


class L1Penalty(ActivityRegularization):
    """``y = x``; in training the loss grows by the mean over samples of ``weight * sum|x|``."""

    def __init__(self, weight: float) -> None:
        super().__init__(l1=weight)
        self.weight = weight


class NegativeEntropyPenalty(ActivityRegularization):
    """``y = x``; in training the loss grows by the mean over samples of ``beta * sum x log x``, x being
    probabilities.

    Source: Mnih et al. (2016), section 4.
    """

    def __init__(self, beta: float = 0.01) -> None:
        super().__init__()
        self.beta = beta

    def _terms(self, x):
        return self.beta * np.where(x > 0, x * np.log(np.maximum(x, 1e-30)), 0)

    def _slope(self, x):
        return self.beta * (np.log(np.maximum(x, 1e-30)) + 1)


def _total(terms):
    return np.ascontiguousarray(terms, np.float64).sum()
