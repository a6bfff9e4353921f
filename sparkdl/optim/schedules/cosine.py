"""Rates that follow a cosine."""

from __future__ import annotations

import math

from sparkdl.optim import checks
from sparkdl.optim.schedules.base import Clocked


class CosineAnnealingLR(Clocked):
    """``eta_min + (lr - eta_min) (1 + cos(pi t / T_max)) / 2``; after ``T_max`` it rises again, as the cosine does.

    Source: Loshchilov & Hutter (2017), equation 5, without restarts.
    """

    def __init__(self, T_max: int, eta_min: float = 0.0, unit: str = "epoch") -> None:
        self.T_max, self.eta_min = T_max, eta_min
        checks.whole(self, T_max=T_max)
        super().__init__(unit)

    def at(self, lr: float, t: int) -> float:
        return self.eta_min + (lr - self.eta_min) * (1 + math.cos(math.pi * t / self.T_max)) / 2


class CosineAnnealingWarmRestarts(Clocked):
    """The cosine from ``lr`` to ``eta_min`` over ``T_0``, then again over ``T_0 T_mult``, ``T_0 T_mult^2``, ...

    Source: Loshchilov & Hutter (2017), section 3.
    """

    def __init__(self, T_0: int, T_mult: int = 1, eta_min: float = 0.0, unit: str = "epoch") -> None:
        self.T_0, self.T_mult, self.eta_min = T_0, T_mult, eta_min
        checks.whole(self, T_0=T_0, T_mult=T_mult)
        super().__init__(unit)

    def at(self, lr: float, t: int) -> float:
        period = self.T_0
        if self.T_mult == 1:
            t %= period
        while t >= period:
            t, period = t - period, period * self.T_mult
        return self.eta_min + (lr - self.eta_min) * (1 + math.cos(math.pi * t / period)) / 2
