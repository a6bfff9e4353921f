"""After a fault: from which snapshot training goes on, on how many tasks, and whether it is worth another try."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sparkdl.blockmanager.bridge.background import Background
from sparkdl.blockmanager.bridge.session import (
    copy_kept,
    count_slots,
    drop_everywhere,
    kept_blocks,
    knock,
    new_run,
    prune_kept,
)
from sparkdl.blockmanager.kept import Kept, complete
from sparkdl.errors import ClusterError
from sparkdl.optim.checkpoint.checkpoints import Checkpoints
from sparkdl.optim.cluster.failure import Lost
from sparkdl.optim.cluster.slots import PAUSE
from sparkdl.optim.cluster.start import Start

log = logging.getLogger(__name__)

SETTLED = 30.0  # seconds of steps after which a run on few tasks may be restarted on more
LOOK = 2.0  # seconds between two looks at the snapshots that there are
ENOUGH = 2  # copies of a snapshot, in different executors, that need no further one in the driver


class Recovery:
    """The attempts of one call of ``fit``.

    limit        how many restarts in a row may end without a newer snapshot than the one they began with
    checkpoints  where this training writes, to read from if no executor has a snapshot any more
    """

    def __init__(self, spark: Any, start: Start, limit: int, checkpoints: Checkpoints | None) -> None:
        self.spark, self.limit, self.checkpoints = spark, limit, checkpoints
        self.start = start
        self.runs: list[int] = []
        self.restarts: list[dict[str, Any]] = []
        self._in_vain = 0
        self._newest = -1
        self._begun = -1  # the step after which the newest attempt that made one began: of files nothing else is heard
        self._looked = 0.0
        self._alone: Kept | None = None
        self._last = ""  # the newest snapshot's name at the last look
        self._fresh: Kept | None = None  # a snapshot that was not there at the last look
        self._stepped: float | None = None  # when the newest attempt's first step was seen
        self._failed = 0.0
        self._called = False  # whether the newest attempt has asked for executors
        self._knocking: Background | None = None

    def new_run(self) -> int:
        """The number of the next attempt."""
        self.runs.append(new_run())
        return self.runs[-1]

    def after(self, lost: Lost, tasks: int) -> None:
        """Prepares another attempt, or raises what caused the fault if too many have been in vain.

        ``tasks``: how many took part in the one that was lost.
        """
        self._failed, self._stepped = time.monotonic(), None
        self._leave()
        cause = lost.__cause__ or lost
        kept = self.kept()
        newest = max(kept[0].step if kept else -1, self._begun)
        self._fresh, self._last = None, kept[0].start if kept else ""  # the one gone on from is not news
        self._in_vain = 1 if newest > self._newest else self._in_vain + 1
        self._newest = newest
        if self._in_vain > self.limit:
            cause.add_note(
                f"Training was restarted {len(self.restarts)} times; the last {self._in_vain - 1} restarts did not get "
                f"to a snapshot after step {max(newest, 0)} (restarts={self.limit})."
            )
            raise cause
        self.restarts.append({"step": None, "tasks": None, "lost": None, "at": None, "error": str(lost)})
        elsewhere = "the beginning" if self.checkpoints is None else "the newest checkpoint"
        where = f"step {kept[0].step}" if kept else elsewhere
        log.warning("training lost one of its %d tasks and goes on from %s: %s", tasks, where, lost)
        drop_everywhere(self.spark, self.runs[-1], wait=False)  # an executor that has gone would take seconds
        if kept:
            prune_kept(self.spark, self.start.training, kept[0].start)
        self.start = replace(self.start, kept=kept[:1], written=self.checkpoints, again=True)

    def stepped(self, step: int, tasks: int) -> None:
        """The newest attempt has done its first step, after ``step``."""
        self._stepped, self._begun = time.monotonic(), step
        if self.restarts and self.restarts[-1]["at"] is None:
            lost = time.monotonic() - self._failed
            self.restarts[-1].update(step=step, tasks=tasks, lost=lost, at=time.time())

    def kept(self) -> list[Kept]:
        """The snapshots that are there whole, newest first."""
        return complete(kept_blocks(self.spark, self.start.training))

    def grow(self, tasks: int, wanted: int, heard: int, ended: Callable[[], bool]) -> None:
        """Ends an attempt on fewer tasks than were wanted, by raising Lost, once more slots are free.

        Not before ``SETTLED`` seconds of steps, and right after a snapshot: the restart then costs little. Not if
        training has ``ended``, by what was heard of it last, at step ``heard``.
        """
        if tasks >= wanted or self._stepped is None or time.monotonic() - self._stepped < SETTLED:
            return
        self._call(wanted)
        if self._fresh is None or heard < self._fresh.step:  # it may be the last one: the next look will tell
            return
        self._fresh = None
        if count_slots(self.spark).free and not ended():
            raise Lost(ClusterError(f"slots are free again: training goes on on more than {tasks} tasks."))

    def _call(self, wanted: int) -> None:
        """Has dynamic allocation start executors: it does so for tasks that wait, and training's own all run."""
        if self._called:
            return
        self._called, slots = True, count_slots(self.spark)
        if slots.dynamic and slots.total < wanted:
            self._knocking = knock(self.spark, wanted - slots.total, PAUSE)

    def _leave(self) -> None:
        if self._knocking is not None:
            self._knocking.cancel(0.0)
        self._called, self._knocking = False, None

    def spread(self) -> None:
        """Has the driver hold a snapshot that only one executor holds, seen twice; looks every ``LOOK`` seconds."""
        if time.monotonic() - self._looked < LOOK:
            return
        self._looked = time.monotonic()
        newest = next(iter(self.kept()), None)
        name = "" if newest is None else newest.start
        self._fresh = newest if name != self._last else None
        self._last = name
        if newest is not None and newest.copies < ENOUGH:
            if newest == self._alone:
                try:
                    copy_kept(self.spark, self.start.training, newest.start)
                except Exception as error:  # its executor has just gone: of that the tasks tell, this was a precaution
                    log.info("the snapshot of step %d could not be copied: %s", newest.step, error)
            self._alone = newest

    def drop(self) -> None:
        """Removes what all attempts have left in the block managers, and tasks that wait for an executor."""
        self._leave()
        drop_everywhere(self.spark, *self.runs, self.start.training)
