from __future__ import annotations

from collections.abc import Mapping

from sparkdl.kernel import njit, numba
from sparkdl.optim import checks
from sparkdl.optim.rules.base import UpdateRule, parts_of

prange = numba().prange


class SGD(UpdateRule):
    """``g += weight_decay w``; ``v = momentum v + (1 - dampening) g`` (first step: ``v = g``); ``w -= lr v``.

    With ``nesterov``, ``w -= lr (g + momentum v)``; without momentum, ``w -= lr g`` and no state is kept.

    Source: Sutskever et al. (2013), in PyTorch's form.
    """

    def __init__(self, lr=1e-3, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False, **shared):
        self.momentum, self.dampening, self.weight_decay, self.nesterov = momentum, dampening, weight_decay, nesterov
        checks.not_negative(self, momentum=momentum, weight_decay=weight_decay)
        if nesterov and not (momentum > 0 and dampening == 0):
            raise ValueError(f"SGD: nesterov needs momentum > 0 and dampening 0, got {momentum!r} and {dampening!r}.")
        schedule = shared.get("schedule")
        moving = momentum > 0 or (isinstance(schedule, Mapping) and "momentum" in schedule)
        self.slots = ("momentum",) if moving else ()
        super().__init__(lr, **shared)

    def apply(self, w, g, state, step, s):
        real, o = w.dtype.type, s.options
        lr, decay = real(s.lr), real(o["weight_decay"])
        if "momentum" not in self.slots:
            _plain(w, g, lr, decay, parts_of(w.size))
            return
        keep, fresh = real(o["momentum"]), real(1 if step == 1 else 1 - o["dampening"])
        _momentum(w, g, state["momentum"], lr, keep, fresh, decay, bool(o["nesterov"]), parts_of(w.size))


@njit(parallel=True)
def _plain(w, g, lr, decay, parts):
    for part in prange(parts):
        a, b = part * w.size // parts, (part + 1) * w.size // parts
        here, slope = w[a:b], g[a:b]
        for i in range(here.size):
            here[i] -= lr * (slope[i] + decay * here[i])


@njit(parallel=True)
def _momentum(w, g, v, lr, keep, fresh, decay, nesterov, parts):
    for part in prange(parts):
        a, b = part * w.size // parts, (part + 1) * w.size // parts
        here, slope, speed = w[a:b], g[a:b], v[a:b]
        for i in range(here.size):
            d = slope[i] + decay * here[i]
            speed[i] = keep * speed[i] + fresh * d
            here[i] -= lr * (d + keep * speed[i]) if nesterov else lr * speed[i]
