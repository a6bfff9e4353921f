from __future__ import annotations

import math

from sparkdl.kernel import njit
from sparkdl.optim import checks
from sparkdl.optim.rules.base import UpdateRule


class Adadelta(UpdateRule):
    """``s = rho s + (1 - rho) g^2``; ``d = sqrt(a + eps) / sqrt(s + eps) g``; ``w -= lr d``.

    ``a`` is the same average of ``d^2``, up to the step before.

    Source: Zeiler (2012), algorithm 1.
    """

    slots = ("s", "a")

    def __init__(self, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0.0, **shared):
        self.rho, self.eps, self.weight_decay = rho, eps, weight_decay
        checks.fraction(self, rho=rho)
        checks.positive(self, eps=eps)
        checks.not_negative(self, weight_decay=weight_decay)
        super().__init__(lr, **shared)

    def apply(self, w, g, state, step, s):
        real, o = w.dtype.type, s.options
        keep, new = real(o["rho"]), real(1 - o["rho"])
        _adadelta(w, g, state["s"], state["a"], real(s.lr), keep, new, real(o["eps"]), real(o["weight_decay"]))


@njit
def _adadelta(w, g, s, a, lr, keep, new, eps, decay):
    for i in range(w.size):
        d = g[i] + decay * w[i]
        s[i] = keep * s[i] + new * d * d
        change = math.sqrt(a[i] + eps) / math.sqrt(s[i] + eps) * d
        a[i] = keep * a[i] + new * change * change
        w[i] -= lr * change
