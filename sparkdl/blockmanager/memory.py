"""A block store within one process: members are threads. For tests, and wherever there is no Spark."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import numpy as np

from sparkdl.blockmanager.store import (
    TIMEOUT,
    Block,
    BlockStore,
    Pieces,
    Stats,
    Timing,
    late,
    lost,
    views,
    wrong_size,
)


class MemoryHub:
    """Where the members of one run meet: ``hub.connect(rank)`` gives each of them its store.

    ``teams`` deals ranks out to pretended executors; by default each member is alone.
    """

    def __init__(self, size: int, teams: Sequence[Sequence[int]] | None = None) -> None:
        self.teams = tuple(tuple(team) for team in teams) if teams else tuple((rank,) for rank in range(size))
        self.blocks: dict[Block, bytes] = {}
        self.newest: dict[tuple[int, str], int] = {}
        self.changed = threading.Condition()
        self.shared: dict[tuple[int, int], np.ndarray] = {}
        self.counts = np.zeros((len(self.teams), 4), np.int64)

    def connect(self, rank: int) -> MemoryStore:
        return MemoryStore(self, rank)

    def team_of(self, rank: int) -> int:
        return next(i for i, team in enumerate(self.teams) if rank in team)


class MemoryStore(BlockStore):
    """One thread's view of a hub."""

    def __init__(self, hub: MemoryHub, rank: int) -> None:
        self.hub, self.rank, self.teams = hub, rank, hub.teams
        self._team = hub.team_of(rank)
        self._shares = 0

    def share(self, nbytes: int) -> np.ndarray:
        key = self._team, self._shares
        self._shares += 1
        with self.hub.changed:
            return self.hub.shared.setdefault(key, np.zeros(nbytes, np.uint8))

    def exchange(
        self,
        puts: Sequence[tuple[Block, Pieces]] = (),
        gets: Sequence[tuple[Block, Pieces]] = (),
        removes: Sequence[Block] = (),
        timeout: float = TIMEOUT,
        lend: bool = False,
    ) -> Timing:
        hub, counts = self.hub, self.hub.counts[self._team]
        data = [(block, b"".join(views(pieces))) for block, pieces in puts]
        with hub.changed:
            for block, content in data:
                if block not in hub.blocks:
                    hub.blocks[block] = content
                    counts[:2] += 1, len(content)
                hub.newest[block.source, block.kind] = max(block.step, hub.newest.get((block.source, block.kind), 0))
            hub.changed.notify_all()
        started = time.perf_counter()
        for kind, step, source in sorted({(block.kind, block.step, block.source) for block, _ in gets}):
            self.wait(kind, step, [source], timeout - (time.perf_counter() - started))
        ready = time.perf_counter()
        for block, pieces in gets:
            content = self._take(block)
            outs = views(pieces)
            if len(content) != sum(map(len, outs)):
                raise wrong_size(block, f"task {block.source}", len(content), sum(map(len, outs)))
            at = 0
            for out in outs:
                out[:] = content[at : at + len(out)]
                at += len(out)
        moved = time.perf_counter()
        with hub.changed:
            for block in removes:
                hub.blocks.pop(block, None)
        return Timing(ready - started, moved - ready)

    def read(self, block: Block, timeout: float = TIMEOUT) -> bytes:
        self.wait(block.kind, block.step, [block.source], timeout)
        return self._take(block)

    def _take(self, block: Block) -> bytes:
        with self.hub.changed:
            content = self.hub.blocks.get(block)
            if content is None:
                raise lost(block, f"task {block.source}", "it has been removed")
            if self.hub.team_of(block.source) != self._team:
                self.hub.counts[self._team, 2:] += 1, len(content)
            return content

    def wait(self, kind: str, step: int, sources: Sequence[int], timeout: float = TIMEOUT) -> None:
        hub, newest = self.hub, self.hub.newest
        with hub.changed:
            for source in sources:

                def there(source: int = source) -> bool:
                    return newest.get((source, kind), 0) >= step

                if not hub.changed.wait_for(there, max(timeout, 0)):
                    seen = newest.get((source, kind), "none")
                    raise late(f"step {step} of blocks {kind!r}", f"task {source}", timeout, seen)

    def came(self, kind: str, step: int, source: int, timeout: float) -> bool:
        with self.hub.changed:
            return self.hub.newest.get((source, kind), 0) >= step

    def drop(self) -> None:
        team = self.teams[self._team]
        with self.hub.changed:
            for block in [b for b in self.hub.blocks if b.source in team]:
                del self.hub.blocks[block]

    def stats(self) -> Stats:
        team = self.teams[self._team]
        with self.hub.changed:
            held = [len(content) for block, content in self.hub.blocks.items() if block.source in team]
            put, bytes_put, fetched, bytes_fetched = map(int, self.hub.counts[self._team])
            return Stats(put, bytes_put, fetched, bytes_fetched, 0, len(held), sum(held))

    def close(self) -> None:
        """Nothing to give back: the hub goes with its last reference."""
