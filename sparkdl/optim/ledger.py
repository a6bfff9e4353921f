"""Which rows an epoch has used: the proof of exactly once, and what is owed where steps go on without the late."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparkdl.data.order import Batch, EpochPlan, Visits
from sparkdl.optim.exchange.base import Exchange
from sparkdl.optim.exchange.member import Member

COUNTS = "rows_once", "rows_never", "rows_more"
OWED = "rows_skipped", "rows_made_up", "rows_lost"


class Ledger:
    """The visits of this task's ``rows`` rows, and ``again``: numbers of rows, of all tasks, that the epoch visits once
    more, since the one before did not.
    """

    def __init__(self, rows: int, member: Member, exchange: Exchange) -> None:
        self.visits, self.again = Visits(rows), np.empty(0, np.int64)
        self._member, self._exchange = member, exchange

    def add(self, plan: EpochPlan, batch: Batch, numbers: NDArray[np.int64]) -> None:
        """Counts the rows that came out of the feed for ``batch``, by the ``numbers`` that came with them.

        That they are the rows that were asked for is the rule, and quickly seen.
        """
        asked = np.array_equal(numbers, batch.rows)
        self.visits.add(batch.local if asked else plan.places(numbers, *self._member.leaves))

    def counts(self) -> dict[str, int]:
        """How many rows of all tasks were used once, never, and more than once."""
        mine = self.visits.report()
        return dict(zip(COUNTS, self._total(mine["once"], mine["never"], mine["more"]), strict=True))

    def close(self, plan: EpochPlan) -> dict[str, int]:
        """Ends the epoch of ``plan``, in which tasks may have been late, and notes what the next one makes up.

        ``rows_skipped`` visits were due and did not happen; ``rows_made_up`` rows were visited once more, for the epoch
        before. A row is owed one visit at most: what it missed beyond that is ``rows_lost``. ``samples`` were used.
        """
        numbers = plan.numbers(*self._member.leaves)
        due = 1 + np.isin(numbers, self.again)
        short = due - self.visits.counts
        made_up, lost = (due == 2) & (short == 0), np.maximum(short - 1, 0)
        sums = self._total(short.sum(), made_up.sum(), lost.sum(), self.visits.counts.sum())
        self.again = np.sort(np.concatenate(self._exchange.gather(numbers[short > 0])))
        return dict(zip((*OWED, "samples"), sums, strict=True))

    def _total(self, *mine: int) -> list[int]:
        sums = np.zeros((len(self._member.subtrees), len(mine)))
        sums[0] = mine
        return self._exchange.merge(sums).astype(np.int64).tolist()
