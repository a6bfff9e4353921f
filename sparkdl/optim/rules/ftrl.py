from __future__ import annotations

from sparkdl.kernel import njit
from sparkdl.optim import checks
from sparkdl.optim.rules.base import UpdateRule


class Ftrl(UpdateRule):
    """Follow the regularised leader, for sparse linear models: weights whose evidence stays below ``l1`` are 0.

    ``n' = n + g^2``; ``z += g + 2 l2_shrinkage w - (n'^-p - n^-p) / lr w``, with p = ``lr_power``;
    ``w = 0`` where ``|z| <= l1``, else ``(sign(z) l1 - z) / ((beta + n'^-p) / lr + 2 l2)``.

    Source: McMahan et al. (2013), algorithm 1; ``lr_power`` -0.5 is the paper's square root, ``l2`` half of its.
    """

    slots = ("n", "z")

    def __init__(
        self,
        lr=1e-3,
        lr_power=-0.5,
        initial_accumulator_value=0.1,
        l1=0.0,
        l2=0.0,
        l2_shrinkage=0.0,
        beta=0.0,
        **shared,
    ):
        self.lr_power, self.initial_accumulator_value = lr_power, initial_accumulator_value
        self.l1, self.l2, self.l2_shrinkage, self.beta = l1, l2, l2_shrinkage, beta
        checks.positive(self, lr=lr, initial_accumulator_value=initial_accumulator_value)
        checks.not_negative(self, l1=l1, l2=l2, l2_shrinkage=l2_shrinkage, beta=beta)
        if not lr_power <= 0:
            raise ValueError(f"Ftrl: lr_power must be <= 0, got {lr_power!r}.")
        super().__init__(lr, **shared)

    def apply(self, w, g, state, step, s):
        real, o = w.dtype.type, s.options
        if step == 1:
            state["n"].fill(o["initial_accumulator_value"])
        if s.lr == 0:  # the first step of a warm-up: nothing moves, and the formula would divide by the rate
            return
        _ftrl(
            w, g, state["n"], state["z"], real(1 / s.lr), real(-o["lr_power"]), real(o["beta"]), real(o["l1"]),
            real(2 * o["l2"]), real(2 * o["l2_shrinkage"]),
        )  # fmt: skip


@njit
def _ftrl(w, g, n, z, per_lr, power, beta, l1, l2, shrinkage):
    zero = l1 - l1
    for i in range(w.size):
        grown = n[i] + g[i] * g[i]
        root = grown**power
        z[i] += g[i] + shrinkage * w[i] - (root - n[i] ** power) * per_lr * w[i]
        n[i] = grown
        curve = (beta + root) * per_lr + l2
        if z[i] > l1:
            w[i] = (l1 - z[i]) / curve
        elif z[i] < -l1:
            w[i] = (-l1 - z[i]) / curve
        else:
            w[i] = zero
