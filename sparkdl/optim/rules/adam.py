from __future__ import annotations

import math

from sparkdl.kernel import njit, numba
from sparkdl.optim import checks
from sparkdl.optim.rules.base import UpdateRule, parts_of

prange = numba().prange


class Adam(UpdateRule):
    """``m = b1 m + (1 - b1) g``; ``v = b2 v + (1 - b2) g^2``; ``w -= lr m^ / (sqrt(v^) + eps)``.

    ``m^ = m / (1 - b1^step)``, ``v^ = v / (1 - b2^step)``; weight decay is added to the gradient first.

    Source: Kingma & Ba (2015), algorithm 1.
    """

    slots: tuple[str, ...] = ("m", "v")
    decoupled = False  # whether weight decay shrinks the weights instead (AdamW)

    def __init__(self, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, **shared):
        self.betas, self.eps, self.weight_decay = betas, eps, weight_decay
        checks.fraction(self, beta1=betas[0], beta2=betas[1])
        checks.positive(self, eps=eps)
        checks.not_negative(self, weight_decay=weight_decay)
        super().__init__(lr, **shared)

    def apply(self, w, g, state, step, s):
        real, o = w.dtype.type, s.options
        b1, b2 = o["betas"]
        shrink = 1 - s.lr * o["weight_decay"] if self.decoupled else 1
        decay = 0 if self.decoupled else o["weight_decay"]
        rate = s.lr / (1 - b1**step)
        root = math.sqrt(1 - b2**step)
        _adam(
            w, g, state["m"], state["v"], real(rate), real(1 - b1), real(b2), real(1 - b2), real(1 / root),
            real(o["eps"]), real(decay), real(shrink), parts_of(w.size),
        )  # fmt: skip


@njit(parallel=True)
def _adam(w, g, m, v, rate, new1, b2, new2, scale, eps, decay, shrink, parts):
    for part in prange(parts):
        a, b = part * w.size // parts, (part + 1) * w.size // parts
        here, slope, first, second = w[a:b], g[a:b], m[a:b], v[a:b]
        for i in range(here.size):
            d = slope[i] + decay * here[i]
            first[i] += new1 * (d - first[i])
            second[i] = b2 * second[i] + new2 * d * d
            here[i] = shrink * here[i] - rate * first[i] / (math.sqrt(second[i]) * scale + eps)
