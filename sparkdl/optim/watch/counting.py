"""Histograms of weights and gradients now and then, in the middle of the steps of a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from sparkdl.nn.flat import Flat
from sparkdl.optim.watch.histograms import BINS, Count
from sparkdl.optim.watch.meter import Meter


class Counting:
    """After the first step and every ``every``-th: counts the new weights and the mean gradient that led to them.

    Each owner counts its slice of the gradient, all tasks add up their counts (one small gather), and the first
    one's ``meter`` tells the result. With ``every=None`` nothing is done.
    """

    def __init__(self, every: int | None, flat: Flat, exchange: Any, meter: Meter, rank: int) -> None:
        self.every, self._flat, self._exchange, self._meter = every, flat, exchange, meter
        self._rank = rank
        self._count = None if every is None else Count(flat.segments)

    @contextmanager
    def of(self, step: int) -> Iterator[None]:
        """Around the exchange's ``step``."""
        if self._count is None or self.every is None or (step % self.every and step != 1):
            yield
            return
        owner, found = self._exchange.owner, np.zeros((len(self._count.groups.names), BINS), np.int32)

        def look(g: np.ndarray, start: int) -> None:
            assert self._count is not None
            found[:] += self._count(g, owner.span.start + start)

        owner.look = look
        try:
            yield
        finally:
            owner.look = None
        gradients = np.sum(self._exchange.gather(found.ravel()), axis=0).reshape(found.shape)
        if self._rank == 0:  # who tells the driver
            self._meter.histograms = self._count.pack(step, self._count(self._flat.weights), gradients)
