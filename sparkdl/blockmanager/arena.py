"""Memory that the tasks of one executor share: arrays at agreed places, and a meeting point made of counters."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from sparkdl.blockmanager.store import TIMEOUT
from sparkdl.errors import BlockError

LINE = 64  # bytes of a cache line: arrays start on one, counters have one each
_SPINS = 200
_SHORTEST, _LONGEST = 20e-6, 1e-3  # seconds asleep between two looks


class Layout:
    """Arrays one after another in one piece of memory: ``add`` them all, make ``nbytes`` of memory, then ``place``."""

    def __init__(self) -> None:
        self.nbytes = 0
        self._arrays: list[tuple[int, tuple[int, ...], np.dtype]] = []

    def add(self, shape: Sequence[int], dtype: Any) -> int:
        """The array's number in what ``place`` returns."""
        dtype = np.dtype(dtype)
        self._arrays.append((self.nbytes, tuple(shape), dtype))
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        self.nbytes += -(-size // LINE) * LINE
        return len(self._arrays) - 1

    def place(self, memory: np.ndarray) -> list[np.ndarray]:
        """Views of ``memory`` (bytes)."""
        return [np.ndarray(shape, dtype, memory, offset) for offset, shape, dtype in self._arrays]


class Arena:
    """``members`` tasks around one array of counters; this is number ``index`` of them.

    ``counters`` is int64 ``(members, 8)``, zero at first, one cache line per member.
    """

    def __init__(self, counters: np.ndarray, index: int, members: int) -> None:
        self._mine = memoryview(counters[index])
        self._others = [(i, memoryview(counters[i])) for i in range(members) if i != index]
        self._round = 0
        self._fence = threading.Lock()

    @staticmethod
    def counters(layout: Layout, members: int) -> int:
        return layout.add((members, LINE // 8), np.int64)

    def meet(self, timeout: float = TIMEOUT) -> float:
        """Waits for all members; what each wrote before is then seen by all. Returns the seconds waited.

        Looks often at first (a wait is mostly tens of microseconds), then ever less often.
        """
        if not self._others:
            return 0.0
        self._round += 1
        with self._fence:  # a lock orders memory on every processor: data first, then the counter
            pass
        with self._fence:
            self._mine[0] = self._round
        started = time.perf_counter()
        spins = 0
        for i, other in self._others:
            while other[0] < self._round:
                spins += 1
                if spins < _SPINS:
                    time.sleep(0)  # lets other threads of this process run
                    continue
                waited = time.perf_counter() - started
                if waited > timeout:
                    raise BlockError(
                        f"task {i} of this executor's {len(self._others) + 1} did not come to meeting {self._round} "
                        f"within {waited:.1f} s (it is at {other[0]}). Look at that task's log: failed, or too slow?"
                    )
                time.sleep(min(max(_SHORTEST, waited / 8), _LONGEST))
        with self._fence:
            pass
        return time.perf_counter() - started
