from __future__ import annotations

import math

from sparkdl.kernel import njit
from sparkdl.optim import checks
from sparkdl.optim.rules.base import UpdateRule


class NAdam(UpdateRule):
    """Adam with Nesterov's momentum, which warms up: ``mu_t = b1 (1 - 0.96^(t momentum_decay) / 2)``.

    ``w -= lr / (sqrt(v^) + eps) (mu_{t+1} m / (1 - mu_1 ... mu_{t+1}) + (1 - mu_t) g / (1 - mu_1 ... mu_t))``.

    Source: Dozat (2016), in PyTorch's form.
    """

    slots = ("m", "v")

    def __init__(self, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, momentum_decay=4e-3, **shared):
        self.betas, self.eps, self.weight_decay, self.momentum_decay = betas, eps, weight_decay, momentum_decay
        checks.fraction(self, beta1=betas[0], beta2=betas[1])
        checks.positive(self, eps=eps)
        checks.not_negative(self, weight_decay=weight_decay, momentum_decay=momentum_decay)
        self._products = {}  # (b1, momentum_decay): (step, mu_1 ... mu_step), to save multiplying them all each step
        super().__init__(lr, **shared)

    def apply(self, w, g, state, step, s):
        real, o = w.dtype.type, s.options
        b1, b2 = o["betas"]
        product = self._product(step, b1, o["momentum_decay"])
        mu, following = (_mu(t, b1, o["momentum_decay"]) for t in (step, step + 1))
        _nadam(
            w, g, state["m"], state["v"], real(s.lr * (1 - mu) / (1 - product)),
            real(s.lr * following / (1 - product * following)), real(1 - b1), real(b2), real(1 - b2),
            real(1 / math.sqrt(1 - b2**step)), real(o["eps"]), real(o["weight_decay"]),
        )  # fmt: skip

    def _product(self, step, b1, decay):
        last, product = self._products.get((b1, decay), (0, 1.0))
        if last > step:
            last, product = 0, 1.0
        for t in range(last + 1, step + 1):
            product *= _mu(t, b1, decay)
        self._products[b1, decay] = step, product
        return product


def _mu(t, b1, decay):
    return b1 * (1 - 0.5 * 0.96 ** (t * decay))


@njit
def _nadam(w, g, m, v, rate_g, rate_m, new1, b2, new2, scale, eps, decay):
    for i in range(w.size):
        d = g[i] + decay * w[i]
        m[i] += new1 * (d - m[i])
        v[i] = b2 * v[i] + new2 * d * d
        w[i] -= (rate_g * d + rate_m * m[i]) / (math.sqrt(v[i]) * scale + eps)
