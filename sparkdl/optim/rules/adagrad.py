from __future__ import annotations

import math

from sparkdl.kernel import njit
from sparkdl.optim import checks
from sparkdl.optim.rules.base import UpdateRule


class Adagrad(UpdateRule):
    """``s += g^2``; ``w -= lr / (1 + (step - 1) lr_decay) g / (sqrt(s) + eps)``.

    Source: Duchi et al. (2011), section 1, diagonal form.
    """

    slots = ("s",)

    def __init__(
        self, lr=1e-2, lr_decay=0.0, weight_decay=0.0, initial_accumulator_value=0.0, eps=1e-10, **shared
    ):  # PyTorch's order and names
        self.lr_decay, self.weight_decay, self.eps = lr_decay, weight_decay, eps
        self.initial_accumulator_value = initial_accumulator_value
        checks.positive(self, eps=eps)
        checks.not_negative(
            self, lr_decay=lr_decay, weight_decay=weight_decay, initial_accumulator_value=initial_accumulator_value
        )
        super().__init__(lr, **shared)

    def apply(self, w, g, state, step, s):
        real, o = w.dtype.type, s.options
        if step == 1:
            state["s"].fill(o["initial_accumulator_value"])
        rate = s.lr / (1 + (step - 1) * o["lr_decay"])
        _adagrad(w, g, state["s"], real(rate), real(o["eps"]), real(o["weight_decay"]))


@njit
def _adagrad(w, g, s, rate, eps, decay):
    for i in range(w.size):
        d = g[i] + decay * w[i]
        s[i] += d * d
        w[i] -= rate * d / (math.sqrt(s[i]) + eps)
