"""How long a step takes, by a short trial: a few steps of a copy of the model on a few of the rows."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sparkdl import kernel
from sparkdl.data.feed import Feed
from sparkdl.optim.exchange.local import Local
from sparkdl.optim.exchange.member import Member
from sparkdl.optim.job import Job
from sparkdl.optim.loop import Loop
from sparkdl.optim.progress import Progress

WARM = 3  # steps in which kernels are loaded
SECONDS = 0.4  # that the timed steps of one size take, about
MOST = 200  # timed steps


@dataclass(frozen=True)
class Speed:
    """Seconds of a step on ``threads`` threads: ``fixed + per_row * rows``."""

    threads: int
    fixed: float
    per_row: float

    def step(self, rows: float) -> float:
        return self.fixed + self.per_row * rows

    def __str__(self) -> str:
        fixed, per_row = self.fixed * 1e3, self.per_row * 1e6
        return f"a step on {self.threads} threads: {fixed:.2f} ms and {per_row:.2f} us per row"


def trial(job: Job, feed: Feed, threads: Sequence[int]) -> list[Speed]:
    """The speed on each of these numbers of threads, by steps of a whole batch and of an eighth of one.

    ``feed`` has all virtual shards, and a few rows: batches are at most as large. The job's model and rule are copied.
    """
    large = min(job.batch_size, len(feed))
    small = max(large // 8, 1)
    speeds, before = [], kernel.num_threads()
    try:
        for count in threads:
            kernel.set_num_threads(count)
            slow, fast = seconds(job, feed, large), seconds(job, feed, small)
            per_row = max(slow - fast, 0.0) / (large - small) if large > small else slow / large
            speeds.append(Speed(count, max(fast - per_row * small, 0.0), per_row))
    finally:
        kernel.set_num_threads(before)
    return speeds


def seconds(job: Job, feed: Feed, rows: int) -> float:
    """Median seconds of steps of ``rows`` rows, data preparation and update included."""
    stamps: list[float] = []

    def enough(progress: Progress) -> bool:
        stamps.append(time.perf_counter())
        timed = len(stamps) - 1 - WARM
        return timed >= 3 and (timed >= MOST or stamps[-1] - stamps[WARM] > SECONDS)

    copied = replace(
        job, model=copy.deepcopy(job.model), rule=copy.deepcopy(job.rule), batch_size=rows, end=enough,
        validate=lambda progress: False, stragglers=None, reshuffle=False, steps_per_epoch=None,
    )  # fmt: skip
    Loop(copied, feed, Local(job.clip), Member(shards=job.shards)).run()
    return float(np.median(np.diff(stamps)[WARM:]))


def row_bytes(feed: Feed) -> float:
    """Mean bytes of a row as it is kept, without the number that training gives it."""
    held = feed.held(np.arange(len(feed)))
    data = held if feed.numbers is None else held[:-1]
    return sum(part.nbytes for parts in data for part in parts) / max(len(feed), 1)


def told(speeds: Sequence[Speed]) -> list[list[Any]]:
    """The speeds as plain JSON."""
    return [[speed.threads, speed.fixed, speed.per_row] for speed in speeds]
