"""What one task says of itself now and then: how far it is, its memory, CPU time, bytes, and seconds per phase."""

from __future__ import annotations

import math
import os
import time
from typing import Any

from sparkdl.optim.exchange.base import Costs
from sparkdl.optim.watch.phases import Phases
from sparkdl.optim.watch.series import Series

PAGE = os.sysconf("SC_PAGE_SIZE")


class Meter:
    """Reads this process. All figures but ``memory`` count up from the start, so any two readings give a rate::

    at         seconds since the run began in this task
    step       steps made since then
    rows       rows this task has trained on
    memory     bytes of memory that the process holds (resident)
    cpu        seconds of processor time of all its threads
    sent, received   bytes to and from other executors
    loss, weight     summed loss and weight of all batches so far, of all tasks
    (phase)    seconds of each of `PHASES`

    and ``histograms``, the newest that were counted (see `Counting`), which are not remembered.
    """

    def __init__(self, costs: Costs, phases: Phases) -> None:
        self._costs, self._phases = costs, phases
        self._began, self._cpu = time.perf_counter(), time.process_time()
        self.step = self.rows = 0
        self.loss = self.weight = 0.0
        self.histograms: dict[str, Any] | None = None
        self.wall = math.nan  # seconds of the whole run, once it has ended
        self.over_time = Series()

    def count(self, rows: int, loss: float, weight: float) -> None:
        """One more step."""
        self.step += 1
        self.rows += rows
        self.loss += loss
        self.weight += weight

    def read(self) -> dict[str, Any]:
        """A reading, which is remembered too."""
        reading = {
            "at": time.perf_counter() - self._began,
            "step": self.step,
            "rows": self.rows,
            "memory": memory_in_use(),
            "cpu": time.process_time() - self._cpu,
            "sent": self._costs.sent,
            "received": self._costs.received,
            "loss": self.loss,
            "weight": self.weight,
            **self._phases.seconds(),
        }
        self.over_time.append(reading)
        return reading if self.histograms is None else {**reading, "histograms": self.histograms}

    def stop(self) -> None:
        """The run has ended."""
        self.wall = self.read()["at"]

    def columns(self) -> dict[str, list[Any]]:
        """What was read over time, a list per figure, rounded: it travels."""
        readings = list(self.over_time)
        return {name: [_short(reading[name]) for reading in readings] for name in readings[0]} if readings else {}


def _short(value: float) -> float:
    return round(value, 6) if isinstance(value, float) else value


def memory_in_use() -> int:
    """Bytes of this process that are in memory; 0 where the system does not say (no ``/proc``)."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * PAGE
    except OSError:
        return 0
