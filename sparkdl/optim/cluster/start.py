"""Where an attempt begins: the first task finds the newest snapshot that can be read, and all go on from it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sparkdl.blockmanager.kept import PART, Kept
from sparkdl.blockmanager.spark import SparkStore
from sparkdl.blockmanager.store import Block
from sparkdl.errors import BlockError, FormatError
from sparkdl.optim.checkpoint.checkpoints import Checkpoints
from sparkdl.optim.checkpoint.snapshot import Snapshot

KIND = "start"


@dataclass
class Start:
    """Where to look for a snapshot of run ``training``.

    kept         what the block managers hold of this training, newest first
    written      checkpoints among which this training's own are
    files        checkpoints to go on from if there is nothing of this training's own
    snapshot     what to go on from otherwise; None: the beginning
    again        whether this is a restart
    """

    training: int
    kept: Sequence[Kept] = ()
    written: Checkpoints | None = None
    files: Checkpoints | None = None
    snapshot: Snapshot | None = None
    again: bool = False

    def find(self, store: SparkStore, rank: int, size: int) -> tuple[Snapshot | None, list[str]]:
        """The snapshot, the same one on every task, and what task 0 passed over because it was damaged."""
        if not self.kept and self.written is None and self.files is None:
            return self.snapshot, []
        if rank:
            return self._receive(store)
        found, damaged = self._newest(store)
        if size > 1:
            self._send(store, found)
        return found or self.snapshot, damaged

    def _newest(self, store: SparkStore) -> tuple[Snapshot | None, list[str]]:
        damaged: list[str] = []
        found: Snapshot | None = None
        for kept in self.kept:
            try:
                found = Snapshot.unpack(store.kept(self.training).load(kept), f"the snapshot of step {kept.step}")
                break
            except (BlockError, FormatError) as error:  # its executors have gone since
                damaged.append(str(error))
        if self.written is not None:
            later, passed = self.written.look(-1 if found is None else found.progress.iteration, self.training)
            found, damaged = later or found, damaged + passed
        if self.files is not None and found is None:
            found, passed = self.files.look()
            damaged += passed
            if found is None and passed:
                raise FormatError(f"no checkpoint in {self.files.files.where} is intact: {'; '.join(passed)}")
        return found, damaged

    def _send(self, store: SparkStore, found: Snapshot | None) -> None:
        data = memoryview(b"" if found is None else found.pack())
        parts = [data[a : a + PART] for a in range(0, len(data), PART)]
        store.put(Block(KIND, 1, 0), json.dumps(len(parts)).encode())
        if parts:
            store.exchange(puts=[(Block(KIND, 2, 0, part=i), part) for i, part in enumerate(parts)])

    def _receive(self, store: SparkStore) -> tuple[Snapshot | None, list[str]]:
        count: Any = json.loads(store.read(Block(KIND, 1, 0)))
        if not count:
            return self.snapshot, []
        data = b"".join(store.read(Block(KIND, 2, 0, part=i)) for i in range(count))
        return Snapshot.unpack(data, "what task 0 sent"), []
