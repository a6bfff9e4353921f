from __future__ import annotations

from sparkdl.kernel import njit
from sparkdl.optim.rules.base import UpdateRule


class Rprop(UpdateRule):
    """Each weight has a step size of its own, which grows while its gradient keeps its sign; ``w -= sign(g) size``.

    Sizes start at ``lr``, grow by ``etas[1]``, shrink by ``etas[0]`` where the sign changed (no step is taken there),
    and stay within ``step_sizes``. For whole-data gradients; schedules of ``lr`` have no effect after the first step.

    Source: Riedmiller & Braun (1993), in PyTorch's form.
    """

    slots = ("last", "size")

    def __init__(self, lr=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50.0), **shared):
        self.etas, self.step_sizes = etas, step_sizes
        if not 0 < etas[0] < 1 < etas[1]:
            raise ValueError(f"Rprop: etas must be 0 < etas[0] < 1 < etas[1], got {etas!r}.")
        if not 0 < step_sizes[0] <= step_sizes[1]:
            raise ValueError(f"Rprop: step_sizes must be 0 < smallest <= largest, got {step_sizes!r}.")
        super().__init__(lr, **shared)

    def apply(self, w, g, state, step, s):
        real, o = w.dtype.type, s.options
        if step == 1:
            state["size"].fill(s.lr)
        limits = [real(x) for x in (*o["etas"], *o["step_sizes"])]
        _rprop(w, g, state["last"], state["size"], *limits)


@njit
def _rprop(w, g, last, size, shrink, grow, least, most):
    zero = shrink - shrink
    for i in range(w.size):
        d, agree = g[i], g[i] * last[i]
        if agree > zero:
            size[i] = min(max(size[i] * grow, least), most)
        elif agree < zero:
            size[i] = min(max(size[i] * shrink, least), most)
            d = zero
        else:
            size[i] = min(max(size[i], least), most)
        if d > zero:
            w[i] -= size[i]
        elif d < zero:
            w[i] += size[i]
        last[i] = d
