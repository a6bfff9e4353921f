from __future__ import annotations

from sparkdl.kernel import njit
from sparkdl.optim import checks
from sparkdl.optim.rules.base import UpdateRule


class Adamax(UpdateRule):
    """``m = b1 m + (1 - b1) g``; ``u = max(b2 u, |g| + eps)``; ``w -= lr / (1 - b1^step) m / u``.

    Source: Kingma & Ba (2015), algorithm 2.
    """

    slots = ("m", "u")

    def __init__(self, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, **shared):
        self.betas, self.eps, self.weight_decay = betas, eps, weight_decay
        checks.fraction(self, beta1=betas[0], beta2=betas[1])
        checks.positive(self, eps=eps)
        checks.not_negative(self, weight_decay=weight_decay)
        super().__init__(lr, **shared)

    def apply(self, w, g, state, step, s):
        real, o = w.dtype.type, s.options
        b1, b2 = o["betas"]
        rate = s.lr / (1 - b1**step)
        _adamax(
            w, g, state["m"], state["u"], real(rate), real(1 - b1), real(b2), real(o["eps"]), real(o["weight_decay"])
        )


@njit
def _adamax(w, g, m, u, rate, new1, b2, eps, decay):
    for i in range(w.size):
        d = g[i] + decay * w[i]
        m[i] += new1 * (d - m[i])
        u[i] = max(b2 * u[i], abs(d) + eps)
        w[i] -= rate * m[i] / u[i]
