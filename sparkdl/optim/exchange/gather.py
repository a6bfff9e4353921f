"""Everybody's vector to everybody: through the team's memory, and through blocks between teams."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sparkdl.blockmanager.arena import Arena, Layout
from sparkdl.blockmanager.store import Block, BlockStore
from sparkdl.optim.exchange.base import Costs
from sparkdl.optim.exchange.member import Member

KIND = "all"


class Gather:
    """All-gather of vectors whose lengths everybody knows; longer ones than ``room`` bytes go in several rounds.

    ``patience()`` says how many seconds to wait for the others. Two halves of the region are used in turn: one may
    still be read while the next round is written.
    """

    def __init__(self, layout: Layout, member: Member, room: int, patience: Callable[[], float]) -> None:
        self._member, self._room, self._patience = member, room, patience
        self._region = layout.add((2, member.size, room), np.uint8)
        self._round = 0
        self._old: list[Block] = []

    def open(self, arrays: Sequence[np.ndarray], arena: Arena, store: BlockStore | None, costs: Costs) -> None:
        """``arrays`` are what the layout placed."""
        self._memory, self._arena, self._store, self._costs = arrays[self._region], arena, store, costs

    def __call__(self, values: np.ndarray, counts: Sequence[int]) -> list[np.ndarray]:
        """``values`` of each rank, which has ``counts[rank]`` elements of the common dtype."""
        values = np.ascontiguousarray(values)
        sizes = [count * values.dtype.itemsize for count in counts]
        if values.nbytes != sizes[self._member.rank]:
            raise ValueError(f"gather: expected {counts[self._member.rank]} elements, got {values.size}.")
        mine = values.reshape(-1).view(np.uint8)
        out = [np.empty(size, np.uint8) for size in sizes]
        for at in range(0, max(sizes, default=0), self._room):
            parts = [max(0, min(size - at, self._room)) for size in sizes]
            for rank, part in enumerate(self._one_round(mine[at : at + self._room], parts)):
                out[rank][at : at + part.size] = part
        return [part.view(values.dtype) for part in out]

    def _one_round(self, mine: np.ndarray, sizes: Sequence[int]) -> list[np.ndarray]:
        member, region = self._member, self._memory[self._round % 2]
        region[member.rank, : mine.size] = mine
        self._round += 1
        self._costs.wait += self._arena.meet(self._patience())
        parts = [region[rank, :size] for rank, size in enumerate(sizes)]
        if len(member.teams) > 1:
            if member.place == 0:
                self._carry(parts)
            self._costs.wait += self._arena.meet(self._patience())
        return parts

    def _carry(self, parts: Sequence[np.ndarray]) -> None:
        """The first of a team sends its team's vectors and fetches all others."""
        assert self._store is not None
        teams, mine = self._member.teams, self._member.team
        padding = [np.zeros(1, np.uint8)]  # no block is empty
        messages = [
            (Block(KIND, self._round, team[0]), [p for rank in team if (p := parts[rank]).size] or padding)
            for team in teams
        ]
        others = [message for i, message in enumerate(messages) if i != mine]
        # whoever puts round n has fetched everything of round n - 1
        timing = self._store.exchange([messages[mine]], others, self._old, self._patience())
        self._old = [messages[mine][0]]
        self._costs.wait += timing.wait
        self._costs.move += timing.move
        sent = sum(p.nbytes for p in messages[mine][1])
        received = sum(p.nbytes for _, pieces in others for p in pieces)
        self._costs.sent += sent
        self._costs.side_sent += sent
        self._costs.received += received
        self._costs.side_received += received
