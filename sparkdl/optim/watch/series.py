"""A list that stays within its limit: when full, every second item goes, and later ones come half as often."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

LIMIT = 240


class Series:
    """Items over time, evenly thinned; the first and the newest one are always there."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self._items: list[Any] = []
        self._newest: Any = None
        self._every, self._seen = 1, 0

    def append(self, item: Any) -> None:
        self._newest = item
        if self._seen % self._every == 0:
            self._items.append(item)
            if len(self._items) >= self.limit:
                del self._items[1::2]
                self._every *= 2
        self._seen += 1

    def __iter__(self) -> Iterator[Any]:
        yield from self._items
        if self._items and self._items[-1] is not self._newest:
            yield self._newest

    def __len__(self) -> int:
        return sum(1 for _ in self)
