from __future__ import annotations

import math
from collections.abc import Mapping

from sparkdl.kernel import njit
from sparkdl.optim import checks
from sparkdl.optim.rules.base import UpdateRule


class RMSprop(UpdateRule):
    """``s = alpha s + (1 - alpha) g^2``; ``w -= lr g / (sqrt(s) + eps)``.

    ``centered``: the root is that of ``s - a^2`` with ``a = alpha a + (1 - alpha) g``, the variance. With momentum:
    ``b = momentum b + g / (...)``; ``w -= lr b``.

    Source: Hinton (2012), lecture 6e; centered: Graves (2013), section 4.2; in PyTorch's form.
    """

    def __init__(self, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False, **shared):
        self.alpha, self.eps, self.weight_decay = alpha, eps, weight_decay
        self.momentum, self.centered = momentum, centered
        checks.fraction(self, alpha=alpha)
        checks.positive(self, eps=eps)
        checks.not_negative(self, weight_decay=weight_decay, momentum=momentum)
        schedule = shared.get("schedule")
        moving = momentum > 0 or (isinstance(schedule, Mapping) and "momentum" in schedule)
        self.slots = ("s", *(["mean"] if centered else []), *(["momentum"] if moving else []))
        super().__init__(lr, **shared)

    def apply(self, w, g, state, step, s):
        real, o = w.dtype.type, s.options
        common = real(s.lr), real(o["alpha"]), real(1 - o["alpha"]), real(o["eps"]), real(o["weight_decay"])
        mean = state["mean"] if o["centered"] else g[:0]
        buffer = state["momentum"] if "momentum" in self.slots else g[:0]
        _rmsprop(w, g, state["s"], mean, buffer, *common, real(o["momentum"]))


@njit
def _rmsprop(w, g, s, mean, buffer, lr, keep, new, eps, decay, momentum):
    centered, moving = mean.size > 0, buffer.size > 0
    for i in range(w.size):
        d = g[i] + decay * w[i]
        s[i] = keep * s[i] + new * d * d
        variance = s[i]
        if centered:
            mean[i] += new * (d - mean[i])
            variance -= mean[i] * mean[i]
        d /= math.sqrt(variance) + eps
        if moving:
            buffer[i] = momentum * buffer[i] + d
            d = buffer[i]
        w[i] -= lr * d
