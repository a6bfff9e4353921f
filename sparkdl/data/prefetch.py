"""Batches made ready while the one before is computed with, and how long the computation had to wait for them.

    with Prefetch(feed, (plan.batch(s, feed.first, feed.last) for s in range(first_step, plan.steps))) as ahead:
        for batch, rows in ahead:
            ...
        ahead.starved          share of the time so far that was spent waiting for rows
        ahead.waited           the same in seconds

``depth`` batches are kept ready by one thread (decoding and copying release the interpreter's lock); ``depth=0`` makes
each batch when it is asked for, which is faster where there is nothing to decode and nothing on disk:
``depth=None`` decides by that. Order and content are the same either way. An exception of the feed, the transform or
the iterator of batches is raised to the consumer at its turn; leaving the ``with`` ends the thread.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

from sparkdl.data.feed import Feed, Rows
from sparkdl.data.order import Batch

_END = object()


class Prefetch:
    """An iterator of ``(batch, rows)``; see the module's docstring."""

    def __init__(self, feed: Feed, batches: Iterable[Batch], depth: int | None = None) -> None:
        self.feed, self.batches = feed, iter(batches)
        slow = feed.transform is not None or feed.spilled > 0
        self.depth = (2 if slow else 0) if depth is None else depth
        self.waited = 0.0
        self._began = time.perf_counter()
        self._ready: queue.Queue[Any] = queue.Queue(max(self.depth, 1))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="sparkdl-prefetch", daemon=True) if self.depth else None
        if self._thread is not None:
            self._thread.start()

    @property
    def starved(self) -> float:
        """Share of the time since the start that the consumer waited, 0 to 1."""
        return self.waited / max(time.perf_counter() - self._began, 1e-9)

    def __enter__(self) -> Prefetch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the thread; batches made ready are dropped."""
        self._stop.set()
        while self._thread is not None and self._thread.is_alive():
            try:  # a full queue would keep the thread
                self._ready.get_nowait()
            except queue.Empty:
                self._thread.join(0.01)

    def __iter__(self) -> Iterator[tuple[Batch, Rows]]:
        while True:
            asked = time.perf_counter()
            item = self._ready.get() if self._thread is not None else self._next()
            self.waited += time.perf_counter() - asked
            if item is _END:
                return
            if isinstance(item, BaseException):
                raise item
            yield item

    def _next(self) -> Any:
        batch = next(self.batches, None)
        return _END if batch is None else (batch, self.feed.rows(batch))

    def _work(self) -> None:
        item: Any = None
        while item is not _END and not isinstance(item, BaseException) and not self._stop.is_set():
            try:
                item = self._next()
            except BaseException as error:  # handed over: the consumer raises it
                item = error
            while not self._stop.is_set():
                try:
                    self._ready.put(item, timeout=0.1)
                    break
                except queue.Full:
                    continue
