from __future__ import annotations

from sparkdl.kernel import njit
from sparkdl.optim import checks
from sparkdl.optim.rules.base import UpdateRule


class LARS(UpdateRule):
    """Each parameter has a rate of its own: ``r = trust |w| / (|g| + weight_decay |w| + eps)``.

    ``v = momentum v + lr r (g + weight_decay w)``; ``w -= v``. Where a norm is zero, r is 1. Biases and normalisation
    layers are usually put into a group with SGD: ``groups={"*.bias": SGD(lr, momentum)}``.

    Source: You et al. (2017), algorithm 1.
    """

    slots = ("momentum",)
    norms = ("weight", "grad")

    def __init__(self, lr=1e-2, momentum=0.9, weight_decay=0.0, trust=1e-3, eps=1e-8, **shared):
        self.momentum, self.weight_decay, self.trust, self.eps = momentum, weight_decay, trust, eps
        checks.not_negative(self, momentum=momentum, weight_decay=weight_decay, eps=eps)
        checks.positive(self, trust=trust)
        super().__init__(lr, **shared)

    def apply(self, w, g, state, step, s):
        real, o = w.dtype.type, s.options
        weight, grad, decay = s.norms["weight"], s.norms["grad"], o["weight_decay"]
        own = o["trust"] * weight / (grad + decay * weight + o["eps"]) if weight > 0 and grad > 0 else 1.0
        _lars(w, g, state["momentum"], real(s.lr * own), real(o["momentum"]), real(decay))


@njit
def _lars(w, g, v, rate, keep, decay):
    for i in range(w.size):
        v[i] = keep * v[i] + rate * (g[i] + decay * w[i])
        w[i] -= v[i]
