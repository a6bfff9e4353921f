"""The contract of an exchange."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from sparkdl.blockmanager.store import BlockStore
from sparkdl.optim.exchange.member import Member

if TYPE_CHECKING:
    from sparkdl.optim.progress import Progress
    from sparkdl.optim.rules.base import UpdateRule
    from sparkdl.optim.segments import FlatSegment

LOSS, WEIGHT, CLOCK = 0, 1, 2  # columns of a header; the clock is rank 0's, zero elsewhere: its sum is exact


@dataclass
class Costs:
    """Seconds and bytes that exchanging has taken in this task since ``bind``.

    ``wait`` is time until the others were ready, ``move`` fetching after that, ``encode`` codecs and sums before they
    are sent, ``update`` the owner's sum and the rule; ``sent`` and ``received`` are bytes to and from other executors,
    ``side_sent`` and ``side_received`` those of them that are no gradients and weights but sums of BatchNorm, metrics,
    snapshots.
    """

    steps: int = 0
    encode: float = 0.0
    wait: float = 0.0
    move: float = 0.0
    update: float = 0.0
    sent: int = 0
    received: int = 0
    side_sent: int = 0
    side_received: int = 0

    @property
    def seconds(self) -> float:
        """All of them together."""
        return self.encode + self.wait + self.move + self.update


class Exchange(Protocol):
    """Turns the gradients of all tasks into the same new weights in all tasks.

    One object serves one run: ``bind`` once, then ``step`` after every backward pass, ``finish`` at the end. All tasks
    make the same calls in the same order; every call but ``bind`` of a single task meets the others.
    """

    weights: np.ndarray  # (D,) the current weights: a model whose parameters are views of it needs no copy
    grads: np.ndarray  # (S, D) where gradients are put; rows as in member.subtrees
    costs: Costs

    def bind(
        self,
        member: Member,
        store: BlockStore | None,
        weights: np.ndarray,
        segments: Sequence[FlatSegment],
        rule: UpdateRule,
    ) -> Exchange:
        """Prepares a run from ``weights`` (D,), the same in all tasks; ``segments`` name all parameters in it."""

    def step(self, grads: np.ndarray, header: np.ndarray, step: int, progress: Progress | None = None) -> np.ndarray:
        """One update. ``grads`` (S, D) sums over rows, consumed; ``header`` (S, 3) float64 sums of loss, weight, clock.

        ``step`` counts from 1. Returns the header's total over all tasks: sums of loss, weight, clock. ``weights``, and
        the array given to ``bind``, then hold the new weights.
        """

    def merge(self, sums: np.ndarray) -> np.ndarray:
        """``(m,)`` totals over all tasks of ``(S, m)`` sums, one row per subtree, added along the tree."""

    def gather(self, values: np.ndarray) -> list[np.ndarray]:
        """One vector of every task, by rank; all of one dtype, any lengths."""

    def state(self) -> dict[str, np.ndarray]:
        """The rule's whole state, ``(D,)`` per slot, in every task: for a snapshot, whoever owns what.

        With it what codecs keep of each task, as bytes: "codec/0", "codec/1", ...
        """

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        """Goes on from a snapshot's state; every task gives the whole of it."""

    def config(self) -> dict[str, Any]:
        """What makes another exchange like this one, in another process."""

    def finish(self) -> None:
        """The last call of a run that went well: waits until nobody needs this task's blocks any more."""
