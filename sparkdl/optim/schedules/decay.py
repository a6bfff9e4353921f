"""Rates that fall with time, each a formula in t, the finished epochs or steps (``unit``)."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence

from sparkdl.optim import checks
from sparkdl.optim.schedules.base import Clocked


class FixedLR(Clocked):
    """``lr``, always."""

    def __init__(self) -> None:
        super().__init__("epoch")

    def at(self, lr: float, t: int) -> float:
        return lr


class ConstantLR(Clocked):
    """``factor lr`` while ``t < total_iters``, then ``lr``."""

    def __init__(self, factor: float = 1 / 3, total_iters: int = 5, unit: str = "epoch") -> None:
        self.factor, self.total_iters = factor, total_iters
        checks.not_negative(self, factor=factor)
        checks.whole(self, 0, total_iters=total_iters)
        super().__init__(unit)

    def at(self, lr: float, t: int) -> float:
        return lr * self.factor if t < self.total_iters else lr


class InverseTimeLR(Clocked):
    """``lr / (1 + decay t)``: Torch7's default."""

    def __init__(self, decay: float, unit: str = "iteration") -> None:
        self.decay = decay
        checks.not_negative(self, decay=decay)
        super().__init__(unit)

    def at(self, lr: float, t: int) -> float:
        return lr / (1 + self.decay * t)


class StepLR(Clocked):
    """``lr gamma^floor(t / step_size)``."""

    def __init__(self, step_size: int, gamma: float = 0.1, unit: str = "epoch") -> None:
        self.step_size, self.gamma = step_size, gamma
        checks.whole(self, step_size=step_size)
        checks.positive(self, gamma=gamma)
        super().__init__(unit)

    def at(self, lr: float, t: int) -> float:
        return lr * self.gamma ** (t // self.step_size)


class MultiStepLR(Clocked):
    """``lr gamma^n``, n being how many ``milestones`` are ``<= t``."""

    def __init__(self, milestones: Sequence[int], gamma: float = 0.1, unit: str = "epoch") -> None:
        self.milestones, self.gamma = milestones, gamma
        checks.positive(self, gamma=gamma)
        if list(milestones) != sorted(milestones):
            raise ValueError(f"MultiStepLR: milestones must not fall, got {milestones!r}.")
        super().__init__(unit)

    def at(self, lr: float, t: int) -> float:
        return lr * self.gamma ** bisect_right(self.milestones, t)


class ExponentialLR(Clocked):
    """``lr gamma^(t / decay_step)``; ``staircase`` takes the floor of the exponent."""

    def __init__(self, gamma: float, decay_step: int = 1, staircase: bool = False, unit: str = "epoch") -> None:
        self.gamma, self.decay_step, self.staircase = gamma, decay_step, staircase
        checks.positive(self, gamma=gamma)
        checks.whole(self, decay_step=decay_step)
        super().__init__(unit)

    def at(self, lr: float, t: int) -> float:
        return lr * self.gamma ** (t // self.decay_step if self.staircase else t / self.decay_step)


class NaturalExpLR(Clocked):
    """``lr exp(-gamma floor(t / decay_step))``."""

    def __init__(self, gamma: float, decay_step: int = 1, unit: str = "iteration") -> None:
        self.gamma, self.decay_step = gamma, decay_step
        checks.not_negative(self, gamma=gamma)
        checks.whole(self, decay_step=decay_step)
        super().__init__(unit)

    def at(self, lr: float, t: int) -> float:
        return lr * math.exp(-self.gamma * (t // self.decay_step))


class PolynomialLR(Clocked):
    """``lr (1 - t / total_iters)^power``, 0 from ``total_iters`` on."""

    def __init__(self, total_iters: int = 5, power: float = 1.0, unit: str = "epoch") -> None:
        self.total_iters, self.power = total_iters, power
        checks.whole(self, total_iters=total_iters)
        checks.positive(self, power=power)
        super().__init__(unit)

    def at(self, lr: float, t: int) -> float:
        return lr * (1 - min(t, self.total_iters) / self.total_iters) ** self.power


class EpochDecayLR(Clocked):
    """``lr 0.1^exponent(epoch)`` for a function of the number of finished epochs."""

    def __init__(self, exponent: Callable[[int], float]) -> None:
        self.exponent = exponent
        super().__init__("epoch")

    def at(self, lr: float, t: int) -> float:
        return lr * 0.1 ** self.exponent(t)


class EpochScheduleLR(Clocked):
    """Values by hand: ``regimes`` are pairs (first epoch, value), epochs counted from 0; before the first, ``lr``."""

    def __init__(self, regimes: Sequence[tuple[int, float]]) -> None:
        self.regimes = regimes
        pairs = isinstance(regimes, list | tuple) and all(isinstance(e, list | tuple) and len(e) == 2 for e in regimes)
        if not regimes or not pairs or [e for e, _ in regimes] != sorted({e for e, _ in regimes}):
            raise ValueError(f"EpochScheduleLR: regimes must be pairs (epoch, value), epochs rising, got {regimes!r}.")
        super().__init__("epoch")

    def at(self, lr: float, t: int) -> float:
        i = bisect_right([epoch for epoch, _ in self.regimes], t)
        return self.regimes[i - 1][1] if i else lr


class LambdaLR(Clocked):
    """``lr lr_lambda(t)`` for any function."""

    def __init__(self, lr_lambda: Callable[[int], float], unit: str = "epoch") -> None:
        self.lr_lambda = lr_lambda
        super().__init__(unit)

    def at(self, lr: float, t: int) -> float:
        return lr * self.lr_lambda(t)
