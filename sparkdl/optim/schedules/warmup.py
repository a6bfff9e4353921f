"""Rates that rise at first."""

from __future__ import annotations

from sparkdl.optim import checks
from sparkdl.optim.progress import Progress
from sparkdl.optim.schedules.base import Clocked, Schedule


class LinearLR(Clocked):
    """``lr`` times a factor that goes from ``start_factor`` to ``end_factor`` in ``total_iters`` and stays there."""

    def __init__(
        self, start_factor: float = 1 / 3, end_factor: float = 1.0, total_iters: int = 5, unit: str = "epoch"
    ) -> None:
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        checks.not_negative(self, start_factor=start_factor, end_factor=end_factor)
        checks.whole(self, total_iters=total_iters)
        super().__init__(unit)

    def at(self, lr: float, t: int) -> float:
        done = min(t, self.total_iters) / self.total_iters
        return lr * (self.start_factor + (self.end_factor - self.start_factor) * done)


class LinearWarmup(Clocked):
    """Warm-up in front of any schedule: what ``then`` gives, times a factor that rises from ``start_factor`` to 1.

    ``then`` sees the same progress, so the curve has no jump where the warm-up ends.
    """

    def __init__(
        self, total_iters: int, then: Schedule | None = None, start_factor: float = 0.0, unit: str = "iteration"
    ) -> None:
        self.total_iters, self.then, self.start_factor = total_iters, then, start_factor
        checks.whole(self, total_iters=total_iters)
        checks.not_negative(self, start_factor=start_factor)
        super().__init__(unit)

    def __call__(self, lr: float, progress: Progress) -> float:
        return super().__call__(self.then(lr, progress) if self.then else lr, progress)

    def at(self, lr: float, t: int) -> float:
        return lr * min(1.0, self.start_factor + (1 - self.start_factor) * t / self.total_iters)

    def monitors(self) -> frozenset[str]:
        return self.then.monitors() if isinstance(self.then, Schedule) else frozenset()


class WarmupLR(Clocked):
    """``lr + delta t`` while ``t < total_iters``; then ``then`` with the rate reached, ``lr + delta total_iters``."""

    def __init__(self, delta: float, total_iters: int, then: Schedule | None = None, unit: str = "iteration") -> None:
        self.delta, self.total_iters, self.then = delta, total_iters, then
        checks.whole(self, total_iters=total_iters)
        super().__init__(unit)

    def __call__(self, lr: float, progress: Progress) -> float:
        t = progress.epoch if self.unit == "epoch" else progress.iteration
        reached = self.at(lr, t)
        return self.then(reached, progress) if self.then and t >= self.total_iters else reached

    def at(self, lr: float, t: int) -> float:
        return lr + self.delta * min(t, self.total_iters)

    def monitors(self) -> frozenset[str]:
        return self.then.monitors() if isinstance(self.then, Schedule) else frozenset()
