from __future__ import annotations

from sparkdl.kernel import njit
from sparkdl.optim import checks
from sparkdl.optim.rules.base import UpdateRule


class Lion(UpdateRule):
    """``w -= lr (sign(b1 m + (1 - b1) g) + weight_decay w)``; ``m = b2 m + (1 - b2) g``.

    Source: Chen et al. (2023), algorithm 2.
    """

    slots = ("m",)

    def __init__(self, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0, **shared):
        self.betas, self.weight_decay = betas, weight_decay
        checks.fraction(self, beta1=betas[0], beta2=betas[1])
        checks.not_negative(self, weight_decay=weight_decay)
        super().__init__(lr, **shared)

    def apply(self, w, g, state, step, s):
        real, o = w.dtype.type, s.options
        b1, b2 = o["betas"]
        shrink = real(1 - s.lr * o["weight_decay"])
        _lion(w, g, state["m"], real(s.lr), real(b1), real(1 - b1), real(b2), real(1 - b2), shrink)


@njit
def _lion(w, g, m, lr, b1, new1, b2, new2, shrink):
    zero = lr - lr
    for i in range(w.size):
        d = b1 * m[i] + new1 * g[i]
        w[i] = shrink * w[i] - (lr if d > zero else -lr if d < zero else zero)
        m[i] = b2 * m[i] + new2 * g[i]
