"""Blocks that outlive the attempt that put them, in as many executors as put them: what a run is restarted from."""

from __future__ import annotations

import re
import struct
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from sparkdl.blockmanager.bridge.client import Client, Verb, text

PART = 16 << 20  # bytes of a block
_NAME = re.compile(r"kept_(\d+)_(\d+)_(\d+)_(\d+)")


class Kept(NamedTuple):
    """A step of which something is kept: in ``parts`` blocks, each of them in at least ``copies`` block managers.

    ``attempt`` is the run that put them: another one's bytes differ (by the time of day, for one).
    """

    step: int
    attempt: int
    parts: int
    copies: int

    @property
    def start(self) -> str:
        """What the names of its blocks begin with."""
        return f"kept_{self.step}_{self.attempt}_"

    @property
    def names(self) -> list[str]:
        return [f"{self.start}{part}_{self.parts}" for part in range(self.parts)]


def complete(names: Iterable[str]) -> list[Kept]:
    """What a driver's list of names (`kept_blocks`) says is there whole, newest first."""
    copies: dict[tuple[int, int, int], Counter[int]] = {}
    for match in filter(None, map(_NAME.fullmatch, names)):
        step, attempt, part, parts = map(int, match.groups())
        copies.setdefault((step, attempt, parts), Counter())[part] += 1
    found = [Kept(*key, min(count.values())) for key, count in copies.items() if len(count) == key[-1]]
    return sorted(found, reverse=True)


class KeptBlocks:
    """One executor's copies, put by one attempt.

    Every copy of a step and attempt has the same bytes, so a reader may take each block from another executor.
    """

    def __init__(self, door: Client, run: int, attempt: int) -> None:
        self._door, self._run, self._attempt = door, run, attempt
        self._newest: Kept | None = None

    def save(self, step: int, data: bytes) -> None:
        """Keeps ``data``; then what this object kept before may go, and does."""
        view = memoryview(data)
        new = Kept(step, self._attempt, max(1, -(-len(data) // PART)), 1)
        for part, name in enumerate(new.names):
            self._door.call(Verb.KEEP, self._head(name), [view[part * PART : (part + 1) * PART]])
        old, self._newest = self._newest, new
        if old is not None and old.step != step:
            self.forget(old)

    def load(self, kept: Kept) -> bytes:
        """The bytes, from whichever block managers still have them; BlockError if one has gone."""
        return b"".join(self._door.call(Verb.FETCH, self._head(name))[1] for name in kept.names)

    def forget(self, kept: Kept) -> None:
        """Removes the copy of this executor."""
        for name in kept.names:
            self._door.call(Verb.FORGET, self._head(name))

    def _head(self, name: str) -> bytes:
        return struct.pack("<q", self._run) + text(name)
