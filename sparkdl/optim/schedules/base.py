"""What schedules share."""

from __future__ import annotations

from sparkdl.optim import checks
from sparkdl.optim.config import Configured
from sparkdl.optim.progress import Progress


class Schedule(Configured):
    """``schedule(lr, progress) -> lr``: the rate of the next step, given the rule's (or group's) own ``lr``.

    A schedule keeps nothing from call to call, so a resumed run goes on as the uninterrupted one. It may steer any
    other number of a rule as well: ``SGD(..., schedule={"lr": a, "momentum": b})``.
    """

    def __call__(self, lr: float, progress: Progress) -> float:
        raise NotImplementedError(f"{type(self).__name__} defines no __call__(lr, progress).")

    def monitors(self) -> frozenset[str]:
        """Names of the figures of ``progress.history`` that it looks at."""
        return frozenset()


class Clocked(Schedule):
    """A schedule of one time t: finished epochs (``unit="epoch"``) or finished steps (``unit="iteration"``)."""

    def __init__(self, unit: str) -> None:
        self.unit = unit
        checks.one_of(self, ("epoch", "iteration"), unit=unit)

    def __call__(self, lr: float, progress: Progress) -> float:
        return self.at(lr, progress.epoch if self.unit == "epoch" else progress.iteration)

    def at(self, lr: float, t: int) -> float:
        raise NotImplementedError(f"{type(self).__name__} defines no at(lr, t).")
