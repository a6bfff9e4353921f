"""What travels between teams in a step: gradient slices to their owners, new weights to everybody."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy

import numpy as np

from sparkdl import tree
from sparkdl.blockmanager.arena import Layout
from sparkdl.blockmanager.codecs.base import Codec
from sparkdl.blockmanager.store import Block
from sparkdl.optim.exchange.member import CHUNK, Member

COLUMNS = 3  # of a header: see base.py
PART_BYTES = 4 << 20  # larger blocks are slower per byte: large heap arrays, and nothing in flight beside them
Message = list[tuple[Block, list[np.ndarray]]]
Node = tuple[int, int]


def parts(span: slice, rows: int, item: int) -> list[slice]:
    """``span`` cut so that ``rows`` rows of it, ``item`` bytes per element, fit into a block; one if it is empty."""
    length = max(PART_BYTES // (rows * item) // CHUNK, 1) * CHUNK
    return [slice(a, min(a + length, span.stop)) for a in range(span.start, max(span.stop, span.start + 1), length)]


class Gradients:
    """The blocks of gradients that one member sends and receives: for each part of a slice one block, which holds a
    row per subtree of the sending team; the first part opens with the team's headers."""

    def __init__(self, layout: Layout, member: Member, bounds: dict[int, slice], codec: Codec, dtype: np.dtype) -> None:
        self._member, self._bounds, self._codec, self._dtype = member, bounds, codec, dtype
        self._direct = codec.exact and len(member.mates) == 1  # rows lie in the task's own memory, as they are sent
        self.item = codec.nbytes(CHUNK, dtype) / CHUNK
        rows = len(member.team_subtrees(member.team))
        self.targets = [o for o in member.outside(member.team) if member.carrier(member.team, o) == member.rank]
        self._out = {} if self._direct else {o: layout.add((rows, self._size(o)), np.uint8) for o in self.targets}
        self.coders = {(o, n): deepcopy(codec) for o in self._out for n in member.team_subtrees(member.team)}
        self._header = layout.add((rows, COLUMNS), np.float64)
        others = [team for team in range(len(member.teams)) if team != member.team]
        self.sources = {team: member.carrier(team, member.rank) for team in others}
        self._in, self._headers = {}, {}
        for team in self.sources:
            rows = len(member.team_subtrees(team))
            self._headers[team] = layout.add((rows, COLUMNS), np.float64)
            self._in[team] = layout.add((rows, self._size(member.rank)), np.uint8)

    def _size(self, owner: int) -> int:
        span = self._bounds[owner]
        return self._codec.nbytes(span.stop - span.start, self._dtype)

    def open(self, arrays: Sequence[np.ndarray]) -> None:
        """``arrays`` are what the layout placed."""
        self.arrays = arrays

    def _message(self, step: int, source: int, target: int, header: np.ndarray, rows: Sequence[np.ndarray]) -> Message:
        """Blocks over ``rows`` (bytes) of a slice."""
        span, item = self._bounds[target], self.item
        message: Message = []
        for number, part in enumerate(parts(span, len(rows), self._dtype.itemsize)):
            a, b = (round((edge - span.start) * item) for edge in (part.start, part.stop))
            pieces = [row[a:b] for row in rows] if b > a else []
            block = Block("g", step, source, target, number)
            message.append((block, pieces if number else [header.reshape(-1), *pieces]))
        return message

    def outgoing(self, step: int, headers: dict[Node, np.ndarray], rows: dict[Node, np.ndarray]) -> Message:
        """Blocks of the team's sums; ``headers`` and ``rows`` of its members' subtrees, added in place."""
        member, message = self._member, []
        nodes = member.team_subtrees(member.team)
        header = self.arrays[self._header]
        for row, node in zip(header, nodes, strict=True):
            row[:] = fold(headers, node, np.add)
        for target in self.targets:
            span = self._bounds[target]
            sums = [fold({k: v[span] for k, v in rows.items()}, node, add_into) for node in nodes]
            if self._direct:
                coded = [s.view(np.uint8) for s in sums]
            else:
                coded = list(self.arrays[self._out[target]])
                for out, s, node in zip(coded, sums, nodes, strict=True):
                    self.coders[target, node].encode(s, out)
            # an owner of nothing sends no weights, so none can know when it has fetched: it gets bytes of its own
            message += self._message(step, member.rank, target, header if self._size(target) else header.copy(), coded)
        return message

    def incoming(self, step: int) -> Message:
        """Blocks to receive, with where they go."""
        rank = self._member.rank
        return [
            block
            for team, source in self.sources.items()
            for block in self._message(
                step, source, rank, self.arrays[self._headers[team]], list(self.arrays[self._in[team]])
            )
        ]

    def received(self) -> tuple[dict[Node, np.ndarray], dict[Node, np.ndarray]]:
        """Headers and decoded rows of all other teams' subtrees."""
        headers: dict[Node, np.ndarray] = {}
        rows: dict[Node, np.ndarray] = {}
        span = self._bounds[self._member.rank]
        for team in self.sources:
            nodes = self._member.team_subtrees(team)
            headers.update(zip(nodes, self.arrays[self._headers[team]], strict=True))
            for node, row in zip(nodes, self.arrays[self._in[team]], strict=True):
                if self._codec.exact:
                    rows[node] = row.view(self._dtype)
                else:
                    rows[node] = np.empty(span.stop - span.start, self._dtype)
                    self._codec.decode(row, rows[node])
        return headers, rows


class Weights:
    """The blocks of new weights: one slice from its owner to all other teams, each of which fetches it once."""

    def __init__(self, layout: Layout, member: Member, bounds: dict[int, slice], codec: Codec, dtype: np.dtype) -> None:
        self._member, self._bounds, self._codec, self._dtype = member, bounds, codec, dtype
        self.coder = deepcopy(codec)
        self.item = codec.nbytes(CHUNK, dtype) / CHUNK
        self.sources = [o for o in member.outside(member.team) if member.carrier(member.team, o) == member.rank]
        coded = [] if codec.exact else [member.rank, *self.sources]
        self._coded = {o: layout.add((codec.nbytes(bounds[o].stop - bounds[o].start, dtype),), np.uint8) for o in coded}

    def open(self, arrays: Sequence[np.ndarray], weights: np.ndarray) -> None:
        """``arrays`` are what the layout placed, ``weights`` the team's vector among them."""
        self.arrays, self._weights = arrays, weights

    def _message(self, step: int, owner: int) -> Message:
        span = self._bounds[owner]
        data = self._weights[span].view(np.uint8) if self._codec.exact else self.arrays[self._coded[owner]]
        message: Message = []
        for number, part in enumerate(parts(span, 1, self._dtype.itemsize)):
            a, b = (round((edge - span.start) * self.item) for edge in (part.start, part.stop))
            if b > a:
                message.append((Block("w", step, owner, part=number), [data[a:b]]))
        return message

    def outgoing(self, step: int, new: np.ndarray) -> Message:
        """Blocks of this owner's slice; the team's vector takes what the others will decode."""
        rank = self._member.rank
        if not self._codec.exact:
            self.coder.encode(new, self.arrays[self._coded[rank]])
            self._decode(rank)
        return self._message(step, rank)

    def incoming(self, step: int) -> Message:
        return [block for owner in self.sources for block in self._message(step, owner)]

    def received(self) -> None:
        """Puts what came into the team's vector."""
        if not self._codec.exact:
            for owner in self.sources:
                self._decode(owner)

    def _decode(self, owner: int) -> None:
        self._codec.decode(self.arrays[self._coded[owner]], self._weights[self._bounds[owner]])


def add_into(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The sum, in the memory of ``a``."""
    return np.add(a, b, out=a)


def fold(blocks: dict[Node, np.ndarray], node: Node, add: Callable[..., np.ndarray]) -> np.ndarray:
    return tree.fold(blocks, add, *node)
