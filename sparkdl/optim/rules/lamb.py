from __future__ import annotations

import math

from sparkdl.kernel import njit
from sparkdl.optim import checks
from sparkdl.optim.rules.base import UpdateRule


class LAMB(UpdateRule):
    """AdamW's step ``r = m^ / (sqrt(v^) + eps) + weight_decay w``, scaled per parameter: ``w -= lr |w| / |r| r``.

    Where a norm is zero the factor is 1.

    Source: You et al. (2020), algorithm 2, with phi the identity.
    """

    slots = ("m", "v")
    norms = ("weight", "grad")  # the latter is that of r, which `prepare_run` puts in the gradient's place

    def __init__(self, lr=1e-3, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.0, **shared):
        self.betas, self.eps, self.weight_decay = betas, eps, weight_decay
        checks.fraction(self, beta1=betas[0], beta2=betas[1])
        checks.positive(self, eps=eps)
        checks.not_negative(self, weight_decay=weight_decay)
        super().__init__(lr, **shared)

    def prepare_run(self, w, g, state, step, s):
        real, o = w.dtype.type, s.options
        b1, b2 = o["betas"]
        _direction(
            g, w, state["m"], state["v"], real(1 / (1 - b1**step)), real(1 - b1), real(b2), real(1 - b2),
            real(1 / math.sqrt(1 - b2**step)), real(o["eps"]), real(o["weight_decay"]),
        )  # fmt: skip

    def apply(self, w, g, state, step, s):
        weight, r = s.norms["weight"], s.norms["grad"]
        factor = weight / r if weight > 0 and r > 0 else 1.0
        w -= w.dtype.type(s.lr * factor) * g


@njit
def _direction(g, w, m, v, scale1, new1, b2, new2, scale2, eps, decay):
    for i in range(w.size):
        m[i] += new1 * (g[i] - m[i])
        v[i] = b2 * v[i] + new2 * g[i] * g[i]
        g[i] = m[i] * scale1 / (math.sqrt(v[i]) * scale2 + eps) + decay * w[i]
