"""Who takes part in a run, which leaves each member holds, and which slice of the flat vector each owns."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from sparkdl import tree

CHUNK = 1024  # elements: slices end on multiples of it


@dataclass(frozen=True)
class Member:
    """Number ``rank`` of ``size`` tasks that train one model over ``shards`` virtual shards.

    ``teams`` are the ranks that share memory, ordered by their lowest rank; by default each task is alone.
    """

    rank: int = 0
    size: int = 1
    shards: int = 8
    teams: tuple[tuple[int, ...], ...] = field(default=())

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.size <= self.shards:
            raise ValueError(
                f"Member: expected 0 <= rank < size <= shards, got rank {self.rank}, size {self.size}, "
                f"shards {self.shards}; use more shards or fewer tasks."
            )
        if not self.teams:
            object.__setattr__(self, "teams", tuple((rank,) for rank in range(self.size)))
        if sorted(rank for team in self.teams for rank in team) != list(range(self.size)):
            raise ValueError(f"Member: teams must hold each of {self.size} ranks once, got {self.teams}.")

    @cached_property
    def leaves(self) -> tuple[int, int]:
        """The virtual shards ``first, stop`` of this member."""
        return self.leaves_of(self.rank)

    @cached_property
    def subtrees(self) -> tuple[tuple[int, int], ...]:
        """The whole subtrees that this member sums by itself: one row of gradients each."""
        return tree.subtrees(*self.leaves, self.shards)

    @cached_property
    def team(self) -> int:
        """The number of this member's team."""
        return next(i for i, team in enumerate(self.teams) if self.rank in team)

    @cached_property
    def mates(self) -> tuple[int, ...]:
        """The ranks of this member's team."""
        return self.teams[self.team]

    @cached_property
    def place(self) -> int:
        """Which of its team this member is."""
        return self.mates.index(self.rank)

    @cached_property
    def owners(self) -> tuple[int, ...]:
        """Ranks in the order of the slices that they own: a team's slices stand together."""
        return tuple(rank for team in self.teams for rank in team)

    def leaves_of(self, rank: int) -> tuple[int, int]:
        return tree.shards_of(rank, self.size, self.shards)

    def subtrees_of(self, rank: int) -> tuple[tuple[int, int], ...]:
        return tree.subtrees(*self.leaves_of(rank), self.shards)

    def team_subtrees(self, team: int) -> tuple[tuple[int, int], ...]:
        """The whole subtrees that a team sums in its memory: what it sends for each slice."""
        runs: list[list[int]] = []
        for rank in sorted(self.teams[team]):
            first, stop = self.leaves_of(rank)
            if runs and runs[-1][1] == first:
                runs[-1][1] = stop
            else:
                runs.append([first, stop])
        return tuple(node for first, stop in runs for node in tree.subtrees(first, stop, self.shards))

    def bounds(self, elements: int) -> dict[int, slice]:
        """The slice of a flat vector that each rank owns; slices end on multiples of 1,024."""
        chunks = -(-elements // CHUNK)
        edges = [min(i * chunks // self.size * CHUNK, elements) for i in range(self.size + 1)]
        return {rank: slice(a, b) for rank, a, b in zip(self.owners, edges, edges[1:], strict=False)}

    def outside(self, team: int) -> tuple[int, ...]:
        """The ranks that are not in ``team``, in the order of their slices."""
        return tuple(rank for rank in self.owners if rank not in self.teams[team])

    def carrier(self, team: int, owner: int) -> int:
        """Which member of ``team`` deals with ``owner``, who is outside: takes its slice there and fetches it."""
        return self.teams[team][self.outside(team).index(owner) % len(self.teams[team])]
