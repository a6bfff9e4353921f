"""When a run takes a snapshot of itself, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sparkdl.optim.checkpoint.snapshot import Snapshot
from sparkdl.optim.progress import Progress

SHARE = 0.05  # of the time that snapshots by the clock may take


@dataclass
class Keep:
    """One place where snapshots are kept.

    ``due(progress)`` says when; it is asked once after every step, on every task, and all must answer alike. ``save``
    takes the snapshot, None on tasks that leave it to another. ``last``: whether the end of the run is kept as well.
    """

    due: Callable[[Progress], bool]
    save: Callable[[Snapshot], None] | None = None
    last: bool = False


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
