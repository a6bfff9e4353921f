"""Looks at a stage while it runs: shows how far it is, and sees when it cannot go on. Looking costs no task."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from typing import Any

from sparkdl.blockmanager.bridge.session import count_slots, read_notes
from sparkdl.errors import ClusterError
from sparkdl.optim.cluster import failure
from sparkdl.optim.progress import Progress
from sparkdl.optim.watch.callbacks import Callbacks

MEETING = 4.0  # seconds after which tasks that have not met may be waiting for a slot that has gone


class Watcher:
    """Tells the progress of rank 0, one attempt after another, and every epoch after step ``shown`` once."""

    def __init__(self, spark: Any, told: Callbacks, shown: int = 0) -> None:
        self.spark, self.told = spark, told
        self._shown = shown  # iteration of the last line shown
        self.progress = Progress()  # as far as has been heard

    def follow(self, run: int, tasks: int, barrier: bool, stepped: Callable[[int], None]) -> None:
        """Looks at run ``run`` from now on; ``stepped(begin)`` is called once, when a step after ``begin`` is seen.

        A barrier stage needs ``tasks`` slots to start, and ends when a task fails; of a plain one Spark starts single
        tasks again, so whoever looks must see that one has failed.
        """
        self.run, self.tasks, self.barrier, self.stepped = run, tasks, barrier, stepped
        self.began = time.monotonic()
        self.met = False  # whether its tasks have
        self.started = False

    def look(self) -> None:
        everyone = self.told.workers or not self.barrier
        notes = read_notes(self.spark, self.run, self.tasks if everyone else 1)
        for found in () if self.barrier else map(failure.find, notes):
            if found is not None:
                error = failure.restore(found)
                raise failure.Lost(error) if failure.is_fault(error, found) else error
        note = notes[0]
        if not note or failure.MARK in note:
            self._look_at_slots()
            return
        told, shown, history, reading = json.loads(note)
        self.progress = progress = Progress(**{**told, "loss": math.nan if told["loss"] is None else told["loss"]})
        first: int = shown["begin"]
        self.met = True
        if progress.iteration > first and not self.started:
            self.started = True
            self.stepped(first)
        self.show_epochs(progress, [line for line in history if line["iteration"] < progress.iteration])
        if "steps" in shown:
            self.told.step(progress, shown, [reading or None, *map(reading_of, notes[1:])])
        self.show_epochs(progress, history)

    def _look_at_slots(self) -> None:
        """Spark looks only every 15 seconds whether the slots of a waiting barrier stage can ever come free."""
        if not self.met and self.barrier and time.monotonic() - self.began > MEETING:
            total = count_slots(self.spark).total
            if total < self.tasks:
                gone = f"training needs {self.tasks} slots at once and {total} are there: an executor has gone."
                raise failure.Lost(ClusterError(gone))

    def show_epochs(self, progress: Progress, history: list[dict[str, Any]]) -> None:
        """A line for every epoch that has none yet."""
        for line in history:
            if line["iteration"] > self._shown:
                self._shown = line["iteration"]
                self.told.epoch(progress, line)


def reading_of(note: str | None) -> dict[str, Any] | None:
    """What a task but the first tells of itself, if it has told anything yet."""
    return json.loads(note) if note and failure.MARK not in note else None
