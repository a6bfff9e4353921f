"""Steps that do not wait for the late: a task takes part with nothing if enough others are ready before it.

The exchange stays as it is: what is missing has gradients of zero and a weight of zero, so the sum is divided by the
weight of what is there, and the mean has no bias. A task decides for itself, from the others' announcements, that it is
late; whoever looks sees in the sums who took part. Gradients are computed in a thread, so that the task can go on with
the exchange meanwhile; when they come, they are of old weights, and nobody takes them. Until then the task sits out.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import numpy as np

from sparkdl import kernel
from sparkdl.blockmanager.store import Block, BlockStore
from sparkdl.optim.exchange.member import Member
from sparkdl.optim.stragglers import Stragglers

KIND = "done"
LOOK = 1e-3  # seconds until the first look at the others; later ones come at a quarter of the time waited so far
ANSWER = 2e-3  # seconds, at least, that a look takes where another executor does not have the news


class Arrivals:
    """Which tasks have come to a step."""

    def __init__(self, member: Member, store: BlockStore) -> None:
        self._rank, self._size, self._store = member.rank, member.size, store
        self._step = 0
        self._here = np.zeros(member.size, bool)

    def come(self, step: int) -> None:
        """Tells the others; nobody fetches the block, so it goes at once."""
        block = Block(KIND, step, self._rank)
        self._store.exchange(puts=[(block, b"\1")], removes=[block])

    def look(self, step: int, seconds: float) -> np.ndarray:
        """``(K,)`` who has come to ``step``, as far as can be found out in about so many seconds."""
        if step != self._step:
            self._step, self._here = step, np.zeros(self._size, bool)
        missing = [rank for rank in np.flatnonzero(~self._here).tolist() if rank != self._rank]
        for rank in missing:
            self._here[rank] = self._store.came(KIND, step, rank, max(ANSWER, seconds / len(missing)))
        return self._here


class Late:
    """One task's steps: `compute` gives its result, or None where the step goes on without it."""

    def __init__(self, policy: Stragglers, member: Member, store: BlockStore) -> None:
        self._policy, self._member, self._arrivals = policy, member, Arrivals(member, store)
        self._thread = ThreadPoolExecutor(1, "sparkdl-step", _same_threads)
        self._begun: Future[Any] | None = None
        self._steps = 0

    def compute(self, work: Callable[[], Any], step: int, sizes: np.ndarray) -> Any:
        """``work()`` for ``step``; ``sizes`` (V,) are the rows of the batch in each virtual shard."""
        self._steps += 1
        member = self._member
        rows = np.array([sizes[slice(*member.leaves_of(rank))].sum() for rank in range(member.size)])
        if self._begun is not None and not self._begun.done():
            return None  # begun now it would be late again, and in the next step, though it were as fast as the others
        self.settle()
        self._begun = self._thread.submit(work)
        if not self._over(self._begun, step, rows):
            return None
        self._arrivals.come(step)
        return self.settle()

    def settle(self) -> Any:
        """Waits for what is being computed: an epoch ends, or the model is needed for something else."""
        begun, self._begun = self._begun, None
        return None if begun is None else begun.result()

    def _over(self, begun: Future[Any], step: int, rows: np.ndarray) -> bool:
        """True once it is done, False once enough others have come to the step and the grace is over."""
        began, pause, limit = time.perf_counter(), LOOK, math.inf
        while not wait([begun], pause).done:
            spent = time.perf_counter() - began
            if spent >= limit:
                return False
            if limit == math.inf and self._steps > self._policy.warm_up:
                if self._policy.enough(self._arrivals.look(step, spent / 8), rows):
                    limit = (1 + self._policy.grace) * spent
            pause = min(max(LOOK, spent / 4), max(limit - spent, 0))
        return True


def _same_threads() -> None:
    """Numba's number of threads is a setting of the thread that calls it."""
    kernel.set_num_threads(kernel.num_threads())


def no_merge(sums: np.ndarray) -> np.ndarray:
    raise ValueError(
        "stragglers: this model or loss needs sums over the whole batch in the middle of a step (BatchNorm, or a loss "
        "that divides by a total), which all tasks would wait for. Use stragglers=None, or a normalisation over each "
        "sample, as GroupNorm."
    )
