"""Where the time of one task goes, no second counted twice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sparkdl.optim.exchange.base import Costs

OWN = ("begin", "compute", "starved", "validate", "snapshot", "report")
PHASES = ("begin", "compute", "starved", "encode", "wait", "move", "update", "validate", "snapshot", "report")
"""All phases, in the order in which they are shown:

    begin      finding memory, agreeing on shapes and row counts, taking over a snapshot
    compute    forward and backward passes
    starved    computing waited for rows (reading, decoding, transforms)
    encode     sums over rows, codecs
    wait       for other tasks
    move       fetching blocks after that
    update     the update rule
    validate   metrics on validation data
    snapshot   keeping snapshots and writing checkpoints
    report     telling the driver, counting histograms
"""


class Phases:
    """Seconds per phase. What the exchange does counts there, from wherever it is called (BatchNorm merges sums in
    the middle of ``compute``, metrics are merged in ``validate``).
    """

    def __init__(self, costs: Costs) -> None:
        self._costs = costs
        self._own = dict.fromkeys(OWN, 0.0)

    @contextmanager
    def measure(self, phase: str) -> Iterator[None]:
        """Counts the time of a ``with`` block, less what the exchange took in it."""
        began, elsewhere = time.perf_counter(), self._costs.seconds
        try:
            yield
        finally:
            self._own[phase] += time.perf_counter() - began - (self._costs.seconds - elsewhere)

    def add(self, phase: str, seconds: float) -> None:
        self._own[phase] += seconds

    def seconds(self) -> dict[str, float]:
        """``{phase: seconds so far}``."""
        costs = self._costs
        exchanged = {"encode": costs.encode, "wait": costs.wait, "move": costs.move, "update": costs.update}
        return {phase: (self._own | exchanged)[phase] for phase in PHASES}
