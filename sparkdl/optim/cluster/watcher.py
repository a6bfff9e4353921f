"""Looks at a stage while it runs: shows how far it is, and sees when it cannot go on. Looking costs no task."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from typing import Any

from sparkdl.blockmanager.bridge.session import count_slots, read_notes
from sparkdl.errors import ClusterError
from sparkdl.optim.bar import Bar
from sparkdl.optim.cluster import failure
from sparkdl.optim.progress import Progress

MEETING = 4.0  # seconds after which tasks that have not met may be waiting for a slot that has gone


class Watcher:
    """Shows the progress of rank 0, one attempt after another, and every epoch once."""

    def __init__(self, spark: Any, bar: Bar) -> None:
        self.spark, self.bar = spark, bar
        self._shown = 0  # iteration of the last line shown

    def follow(self, run: int, slots: int, stepped: Callable[[], None]) -> None:
        """Looks at run ``run`` from now on, whose stage needs ``slots`` slots to start.

        ``stepped()`` is called once, when its first step is seen.
        """
        self.run, self.slots, self.stepped = run, slots, stepped
        self.began = time.monotonic()
        self.first: int | None = None  # the step from which this run goes on, once its tasks have met
        self.started = False

    def look(self) -> None:
        note = read_notes(self.spark, self.run, 1)[0]
        if not note or failure.MARK in note:
            self._look_at_slots()
            return
        told, shown, history = json.loads(note)
        progress = Progress(**{**told, "loss": math.nan if told["loss"] is None else told["loss"]})
        self.first = shown["begin"]
        if progress.iteration > self.first and not self.started:
            self.started = True
            self.stepped()
        self.show_epochs(progress, history)
        if "steps" in shown:
            self.bar.update(progress, shown)

    def _look_at_slots(self) -> None:
        """Spark looks only every 15 seconds whether the slots of a waiting barrier stage can ever come free."""
        if self.first is None and self.slots and time.monotonic() - self.began > MEETING:
            total = count_slots(self.spark).total
            if total < self.slots:
                raise ClusterError(
                    f"training needs {self.slots} slots at once and {total} are there: an executor has gone."
                )

    def show_epochs(self, progress: Progress, history: list[dict[str, Any]]) -> None:
        """A line for every epoch that has none yet."""
        for line in history:
            if line["iteration"] > self._shown:
                self._shown = line["iteration"]
                self.bar.update(progress, line)
