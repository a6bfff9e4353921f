"""Rates that only Caffe's solvers know."""

from __future__ import annotations

import math

from sparkdl.optim import checks
from sparkdl.optim.schedules.base import Clocked


class InversePowerLR(Clocked):
    """``lr (1 + gamma t)^-power``: Caffe's ``inv``."""

    def __init__(self, gamma: float, power: float, unit: str = "iteration") -> None:
        self.gamma, self.power = gamma, power
        checks.not_negative(self, gamma=gamma)
        super().__init__(unit)

    def at(self, lr: float, t: int) -> float:
        return lr * (1 + self.gamma * t) ** -self.power


class SigmoidLR(Clocked):
    """``lr / (1 + exp(-gamma (t - step_size)))``: Caffe's ``sigmoid``; gamma below 0 lets it fall."""

    def __init__(self, gamma: float, step_size: int, unit: str = "iteration") -> None:
        self.gamma, self.step_size = gamma, step_size
        super().__init__(unit)

    def at(self, lr: float, t: int) -> float:
        return lr / (1 + math.exp(min(max(-self.gamma * (t - self.step_size), -700), 700)))
