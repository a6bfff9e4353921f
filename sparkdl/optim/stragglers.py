"""When a step goes on without the tasks that are late; given to the Trainer as ``stragglers=``."""

from __future__ import annotations

from typing import Any

import numpy as np

WARM_UP, GRACE = 10, 0.25


class Stragglers:
    """``enough(arrived, rows)``: whether a step can go on.

    ``arrived`` (K,) says which tasks have their gradients, ``rows`` (K,) how many of the batch's rows each task has.
    In the first ``warm_up`` steps, in which kernels are compiled, all are waited for. Who is not ready then has
    ``grace`` times as long again as the step has taken so far: tasks that are about as fast as the others lose nothing.
    """

    def __init__(self, warm_up: int = WARM_UP, grace: float = GRACE) -> None:
        if not (isinstance(warm_up, int | np.integer) and warm_up >= 0):
            raise ValueError(f"{type(self).__name__}: warm_up must be a whole number of steps >= 0, got {warm_up!r}.")
        if not (isinstance(grace, float | int | np.number) and 0 <= grace < np.inf):
            raise ValueError(f"{type(self).__name__}: grace must be a number >= 0, got {grace!r}.")
        self.warm_up, self.grace = int(warm_up), float(grace)

    def enough(self, arrived: np.ndarray, rows: np.ndarray) -> bool:
        raise NotImplementedError

    def check(self, tasks: int, shards: int) -> None:
        """Raises ValueError where ``tasks`` tasks, which have ``shards`` virtual shards, are too few."""


class DropLate(Stragglers):
    """A step goes on once tasks with all but ``share`` of the batch's rows have arrived.

    Source: Chilimbi et al. (2014), "Project Adam", section 4.3 (``share=0.25``); BigDL's drop percentage.
    """

    def __init__(self, share: float = 0.25, warm_up: int = WARM_UP, grace: float = GRACE) -> None:
        if not (isinstance(share, float | int | np.number) and 0 < share < 1):
            raise ValueError(f"DropLate: share must be > 0 and < 1, the part of a batch to do without, got {share!r}.")
        super().__init__(warm_up, grace)
        self.share = float(share)

    def enough(self, arrived: np.ndarray, rows: np.ndarray) -> bool:
        here = int(rows[arrived].sum())
        return here > 0 and here >= (1 - self.share) * rows.sum()

    def check(self, tasks: int, shards: int) -> None:
        least = shards // tasks / shards
        if least > self.share:
            raise ValueError(
                f"{self!r} leaves out none of {tasks} tasks, each of which has {least:.0%} of a batch or more; give a "
                f"share of at least {least:.3g}, or train on more tasks."
            )

    def __repr__(self) -> str:
        return f"DropLate(share={self.share}, warm_up={self.warm_up}, grace={self.grace})"


class BackupTasks(Stragglers):
    """A step goes on once all tasks but ``tasks`` have arrived: those are backups of the others.

    With K tasks, a batch has ``(K - tasks) / K`` of its rows then; for steps of ``n`` rows give a batch size of
    ``n K / (K - tasks)``.

    Source: Chen et al. (2016), "Revisiting distributed synchronous SGD", section 3.
    """

    def __init__(self, tasks: int = 1, warm_up: int = WARM_UP, grace: float = GRACE) -> None:
        if not (isinstance(tasks, int | np.integer) and tasks >= 1):
            raise ValueError(f"BackupTasks: tasks must be a whole number >= 1, got {tasks!r}.")
        super().__init__(warm_up, grace)
        self.tasks = int(tasks)

    def enough(self, arrived: np.ndarray, rows: np.ndarray) -> bool:
        return rows[arrived].sum() > 0 and arrived.sum() >= len(arrived) - self.tasks

    def check(self, tasks: int, shards: int) -> None:
        if tasks <= self.tasks:
            raise ValueError(f"{self!r} needs more than {self.tasks} tasks to train, got {tasks}.")

    def __repr__(self) -> str:
        return f"BackupTasks(tasks={self.tasks}, warm_up={self.warm_up}, grace={self.grace})"


def checked(stragglers: Any) -> Stragglers | None:
    """The Trainer's argument, or TypeError."""
    if stragglers is None or isinstance(stragglers, Stragglers):
        return stragglers
    raise TypeError(f"Trainer: stragglers must be one such as optim.DropLate(0.25), or None, got {stragglers!r}.")
