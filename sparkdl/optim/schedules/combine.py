"""Schedules made of schedules."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace

from sparkdl.optim.progress import Progress
from sparkdl.optim.schedules.base import Clocked, Schedule


class SequentialLR(Clocked):
    """One schedule after another: ``schedules[i]`` from ``milestones[i - 1]`` on, with its time starting at 0 there."""

    def __init__(self, schedules: Sequence[Schedule], milestones: Sequence[int], unit: str = "epoch") -> None:
        self.schedules, self.milestones = schedules, milestones
        if len(milestones) != len(schedules) - 1 or list(milestones) != sorted(milestones):
            raise ValueError(
                f"SequentialLR: {len(schedules)} schedules need {len(schedules) - 1} rising milestones, "
                f"got {milestones!r}."
            )
        super().__init__(unit)

    def __call__(self, lr: float, progress: Progress) -> float:
        t = progress.epoch if self.unit == "epoch" else progress.iteration
        i = bisect_right(self.milestones, t)
        start = self.milestones[i - 1] if i else 0
        by_epoch = self.unit == "epoch"
        shifted = replace(progress, epoch=t - start) if by_epoch else replace(progress, iteration=t - start)
        return self.schedules[i](lr, shifted)

    def monitors(self) -> frozenset[str]:
        return frozenset().union(*(s.monitors() for s in self.schedules if isinstance(s, Schedule)))


class ChainedLR(Schedule):
    """Each schedule takes the rate that the one before it gives: factors multiply."""

    def __init__(self, *schedules: Schedule) -> None:
        if not schedules or not all(callable(each) for each in schedules):
            raise ValueError(f"ChainedLR chains schedules, got {schedules!r}.")
        self.schedules = schedules

    def __call__(self, lr: float, progress: Progress) -> float:
        for schedule in self.schedules:
            lr = schedule(lr, progress)
        return lr

    def monitors(self) -> frozenset[str]:
        return frozenset().union(*(s.monitors() for s in self.schedules if isinstance(s, Schedule)))
