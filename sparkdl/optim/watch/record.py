"""The record of a run: events in plain JSON, which the page draws while training runs and afterwards."""

from __future__ import annotations

import json
import threading
from typing import Any

from sparkdl.optim.history import plain

ROOM = {"look": 1 << 20, "histograms": 1 << 19, "epoch": 1 << 20}
"""Characters that events of a kind may take; what would be more is thinned."""


class Record:
    """Events, each text that is made once. Appended by training, read by the server's threads.

    Events have a ``kind``: ``begin``, ``look`` (how far training is, and what the workers say), ``histograms``,
    ``epoch`` (a line of the history) and ``end``. When a kind has no room left, every second event of it goes and
    ``generation`` counts up: whoever has read events begins anew.
    """

    def __init__(self) -> None:
        self.generation = 0
        self._events: list[tuple[str, str]] = []
        self._size: dict[str, int] = {}
        self._lock = threading.Lock()

    def add(self, kind: str, **what: Any) -> None:
        text = json.dumps(plain({"kind": kind, **what}), separators=(",", ":"), allow_nan=False)
        with self._lock:
            self._events.append((kind, text))
            self._size[kind] = self._size.get(kind, 0) + len(text)
            if self._size[kind] > ROOM.get(kind, self._size[kind]):
                self._thin(kind)

    def _thin(self, kind: str) -> None:
        """Every second event of a kind goes, counted from its newest, which stays."""
        places = [i for i, (each, _) in enumerate(self._events) if each == kind]
        gone = set(places[-2::-2])
        self._events = [event for i, event in enumerate(self._events) if i not in gone]
        self._size[kind] = sum(len(text) for each, text in self._events if each == kind)
        self.generation += 1

    def since(self, generation: int = -1, count: int = 0) -> str:
        """What came after the first ``count`` events, as JSON; all of them if ``generation`` is not today's."""
        with self._lock:
            anew = generation != self.generation or not 0 <= count <= len(self._events)
            events = ",".join(text for _, text in self._events[0 if anew else count :])
            return f'{{"generation":{self.generation},"all":{json.dumps(anew)},"events":[{events}]}}'

    def __len__(self) -> int:
        return len(self._events)
