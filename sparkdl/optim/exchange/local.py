"""Training in one process: nothing travels."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from sparkdl import memory, tree
from sparkdl.blockmanager.store import BlockStore
from sparkdl.optim.clip import Clip, as_clips
from sparkdl.optim.exchange.base import LOSS, WEIGHT, Costs, Exchange
from sparkdl.optim.exchange.member import Member
from sparkdl.optim.exchange.owner import Owner

if TYPE_CHECKING:
    from sparkdl.optim.progress import Progress
    from sparkdl.optim.rules.base import UpdateRule
    from sparkdl.optim.segments import FlatSegment


class Local(Exchange):
    """The exchange of a single task; its numbers are those of any number of tasks."""

    def __init__(self, clip: Clip | Sequence[Clip] | None = None) -> None:
        self.clip = clip
        self.costs = Costs()

    def bind(
        self,
        member: Member,
        store: BlockStore | None,
        weights: np.ndarray,
        segments: Sequence[FlatSegment],
        rule: UpdateRule,
    ) -> Local:
        if member.size != 1:
            raise ValueError(f"Local: a single task, got {member.size}; use AllReduce.")
        self.member, self.weights = member, weights
        bounds = {0: slice(0, weights.size)}
        self.owner = Owner(bounds, 0, weights.dtype, segments, rule, lambda values, _: [values], self.clip)
        return self

    @cached_property
    def grads(self) -> np.ndarray:  # made when it is asked for
        return memory.zeros((len(self.member.subtrees), self.weights.size), self.weights.dtype)

    def step(self, grads: np.ndarray, header: np.ndarray, step: int, progress: Progress | None = None) -> np.ndarray:
        total = self.merge(header)
        started = time.perf_counter()
        weight = float(total[WEIGHT])
        total[LOSS] += total[WEIGHT] * self.owner.update(self.weights, grads[0].__getitem__, weight, step, progress)
        self.costs.update += time.perf_counter() - started
        self.costs.steps += 1
        return total

    def merge(self, sums: np.ndarray) -> np.ndarray:
        blocks = dict(zip(self.member.subtrees, sums, strict=True))
        return tree.fold(blocks, np.add, 0, self.member.shards).copy()

    def gather(self, values: np.ndarray) -> list[np.ndarray]:
        return [values]

    def state(self) -> dict[str, np.ndarray]:
        return {slot: vector.copy() for slot, vector in self.owner.state.items()}

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        for slot, vector in self.owner.state.items():
            vector[:] = state[slot]

    def config(self) -> dict[str, Any]:
        return {"name": "local", "clip": [c.config() for c in as_clips(self.clip)]}

    def finish(self) -> None:
        """Nobody waits for a single task."""
