"""When a run takes a snapshot of itself, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sparkdl.optim.checkpoint.snapshot import Snapshot
from sparkdl.optim.history import best_row, figures
from sparkdl.optim.progress import Progress

SHARE = 0.05  # of the time that snapshots by the clock may take


@dataclass
class Keep:
    """One place where snapshots are kept.

    ``due(progress)`` says when; it is asked once after every step, on every task, and all must answer alike. ``save``
    takes the snapshot, None on tasks that leave it to another. ``last``: whether the end of the run is kept as well.
    A ``due`` that is `with_best` says besides when a snapshot is wanted for the best one's sake only.
    """

    due: Callable[[Progress], bool]
    save: Callable[[Snapshot], None] | None = None
    last: bool = False

    def best(self, progress: Progress) -> bool:
        """Whether this is the best epoch's end, by a figure that the keeper looks at."""
        return isinstance(self.due, with_best) and self.due.best(progress)


class with_best:
    """``every``; and ``best`` at the end of an epoch that has the best ``monitor`` so far."""

    def __init__(self, every: Callable[[Progress], bool], monitor: str, mode: str) -> None:
        self.every, self.monitor, self.mode = every, monitor, mode

    def __call__(self, progress: Progress) -> bool:
        return self.every(progress)

    def best(self, progress: Progress) -> bool:
        return is_best(progress, self.monitor, self.mode)


def is_best(progress: Progress, monitor: str, mode: str) -> bool:
    """Whether an epoch has just ended with the best figure so far; a figure of NaN never is."""
    history = progress.history
    return progress.epoch_ended and best_row(figures(history, monitor), mode) == len(history) - 1


class by_the_clock:
    """True every ``seconds``, by the clock that all tasks share, from the first time it is asked.

    Taking a snapshot of a large model takes long. So the pause is at least ``1 / SHARE`` times what the last snapshot
    took: the time from the step that it followed to the next one.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._fired: float | None = None
        self._took: float | None = None  # None right after a snapshot

    def __call__(self, progress: Progress) -> bool:
        now = progress.seconds
        if self._fired is None:
            self._fired, self._took = now, 0.0
        if self._took is None:
            self._took = now - self._fired
        if now - self._fired < max(self.seconds, self._took / SHARE):
            return False
        self._fired, self._took = now, None
        return True
