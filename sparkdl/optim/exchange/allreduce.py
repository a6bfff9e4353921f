"""Synchronous training: reduce-scatter to owners, update by the owner, all-gather."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sparkdl import tree
from sparkdl.blockmanager import codecs
from sparkdl.blockmanager.arena import Arena, Layout
from sparkdl.blockmanager.codecs.base import Codec
from sparkdl.blockmanager.store import TIMEOUT, Block, BlockStore
from sparkdl.optim.clip import Clip, as_clips
from sparkdl.optim.exchange.base import LOSS, WEIGHT, Costs, Exchange
from sparkdl.optim.exchange.gather import Gather
from sparkdl.optim.exchange.member import Member
from sparkdl.optim.exchange.owner import Owner
from sparkdl.optim.exchange.slices import COLUMNS, Gradients, Message, Node, Weights, add_into

if TYPE_CHECKING:
    from sparkdl.optim.progress import Progress
    from sparkdl.optim.rules.base import UpdateRule
    from sparkdl.optim.segments import FlatSegment

ROOM = 256 << 10  # bytes per task that one round of a gather takes
FIRST_STEPS = 2  # in which kernels are compiled


class AllReduce(Exchange):
    """``w_o = rule(w_o, sum over tasks of g_o / sum over tasks of weights)`` for every owner ``o`` of a slice.

    1. Each task's gradient rows lie in memory that its team (the tasks of its executor) shares.
    2. A team sends each outside owner one row per whole subtree that it holds, summed along the tree.
    3. An owner adds all rows of its slice along the tree, divides once by the global weight, and updates the slice;
       the rule's state for it lives there only.
    4. Owners send their new slices; each team fetches each outside slice once.

    Sums are float32 (float64 for a float64 model) along one fixed tree, so with codecs "none" the result has the same
    bits for any number of tasks and teams. ``codec`` writes gradients that leave the executor, ``weight_codec`` the
    weights; with a lossy one for weights the owner keeps exact ones for itself. Within an executor nothing is encoded.

    What codecs keep (residuals) is part of the state, by task; it serves the same tasks in the same teams only.

    ``timeout``: seconds that a task waits for another one; in the first steps, which compile kernels, it is TIMEOUT.

    Source: Thakur, Rabenseifner, Gropp (2005), section 4.5 (Rabenseifner's algorithm, with the update in its middle).
    """

    def __init__(
        self,
        codec: str | Codec = "none",
        weight_codec: str | Codec = "none",
        clip: Clip | Sequence[Clip] | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        self.codec, self.weight_codec = codecs.make(codec), codecs.make(weight_codec)
        self.clip, self.timeout = clip, timeout
        self.costs = Costs()

    def bind(
        self,
        member: Member,
        store: BlockStore | None,
        weights: np.ndarray,
        segments: Sequence[FlatSegment],
        rule: UpdateRule,
    ) -> AllReduce:
        if store is None:
            raise ValueError("AllReduce needs a block store; a single task without one uses Local.")
        if member.teams != store.teams or member.rank != store.rank:
            raise ValueError(f"AllReduce: {member} is not whom the store connects, {store.rank} of {store.teams}.")
        self.member, self.store, self._given = member, store, weights
        dtype, bounds = weights.dtype, member.bounds(weights.size)
        layout = Layout()
        counters = Arena.counters(layout, len(member.mates))
        vector = layout.add((weights.size,), dtype)
        rows = {rank: layout.add((len(member.subtrees_of(rank)), weights.size), dtype) for rank in member.mates}
        headers = {rank: layout.add((len(member.subtrees_of(rank)), COLUMNS), np.float64) for rank in member.mates}
        self._gather = Gather(layout, member, ROOM, self._patience)
        # what only one task uses still has its place in everybody's layout
        for rank in member.mates:
            alike = Member(rank, member.size, member.shards, member.teams)
            gradients = Gradients(layout, alike, bounds, self.codec, dtype)
            slices = Weights(layout, alike, bounds, self.weight_codec, dtype)
            if rank == member.rank:
                self._gradients, self._slices = gradients, slices
        arrays = layout.place(store.share(layout.nbytes))
        self._arena = Arena(arrays[counters], member.place, len(member.mates))
        self.weights, self.grads, self._header = arrays[vector], arrays[rows[member.rank]], arrays[headers[member.rank]]
        self._rows = {rank: arrays[i] for rank, i in rows.items()}
        self._headers = {rank: arrays[i] for rank, i in headers.items()}
        self._gather.open(arrays, self._arena, store, self.costs)
        self._gradients.open(arrays)
        self._slices.open(arrays, self.weights)
        self.owner = Owner(bounds, member.rank, dtype, segments, rule, self._gather, self.clip)
        self._sizes = [bounds[rank].stop - bounds[rank].start for rank in range(member.size)]
        self._old: list[Block] = []
        self.weights[:] = weights
        self._master = None if self.weight_codec.exact else weights[self.owner.span].copy()
        self._arena.meet()
        return self

    def step(self, grads: np.ndarray, header: np.ndarray, step: int, progress: Progress | None = None) -> np.ndarray:
        if grads.shape != self.grads.shape:
            raise ValueError(f"AllReduce: grads must be (subtrees, elements) = {self.grads.shape}, got {grads.shape}.")
        started = time.perf_counter()
        if grads.ctypes.data != self.grads.ctypes.data:
            self.grads[:] = grads
        self._header[:] = header
        self.costs.encode += time.perf_counter() - started
        self.costs.wait += self._arena.meet(self._patience())
        total, rows = self._reduce(step)
        started = time.perf_counter()
        w = self.weights[self.owner.span] if self._master is None else self._master

        def sums(span: slice) -> np.ndarray:
            return tree.fold({node: row[span] for node, row in rows.items()}, add_into, 0, self.member.shards)

        total[LOSS] += total[WEIGHT] * self.owner.update(w, sums, float(total[WEIGHT]), step, progress)
        self.costs.update += time.perf_counter() - started
        self._spread(step, w)
        self.costs.wait += self._arena.meet(self._patience())
        if self._given.ctypes.data != self.weights.ctypes.data:
            self._given[:] = self.weights
        self.costs.steps += 1
        return total

    def _reduce(self, step: int) -> tuple[np.ndarray, dict[Node, np.ndarray]]:
        """The header's total, and all rows of the own slice, by the subtree whose sum each is."""
        started = time.perf_counter()
        headers = self._by_subtree(self._headers)
        rows = self._by_subtree(self._rows)
        if len(self.member.teams) > 1:
            message = self._gradients.outgoing(step, headers, rows)
            self.costs.encode += time.perf_counter() - started
            # whoever puts gradients of this step has fetched all that was put in the one before
            self._travel(message, self._gradients.incoming(step), self._old)
            self._old = [block for block, _ in message]
            started = time.perf_counter()
            theirs, decoded = self._gradients.received()
            headers, rows = headers | theirs, {k: v[self.owner.span] for k, v in rows.items()} | decoded
        else:
            rows = {k: v[self.owner.span] for k, v in rows.items()}
        total = tree.fold(headers, np.add, 0, self.member.shards).copy()
        self.costs.encode += time.perf_counter() - started
        return total, rows

    def _spread(self, step: int, w: np.ndarray) -> None:
        """The own slice to all, all slices into the team's vector."""
        if len(self.member.teams) == 1:
            if self._master is not None:
                self.weights[self.owner.span] = w
            return
        started = time.perf_counter()
        message = self._slices.outgoing(step, w)
        self.costs.encode += time.perf_counter() - started
        # an owner whose new weights are there has fetched this member's gradients: backward may write over them
        self._travel(message, self._slices.incoming(step), [])
        self._old += [block for block, _ in message]
        self._slices.received()

    def _patience(self) -> float:
        """Seconds to wait for another task."""
        return self.timeout if self.costs.steps >= FIRST_STEPS else max(TIMEOUT, self.timeout)

    def _travel(self, puts: Message, gets: Message, removes: list[Block]) -> None:
        timing = self.store.exchange(puts, gets, removes, self._patience(), lend=True)
        self.costs.wait += timing.wait
        self.costs.move += timing.move
        self.costs.sent += sum(p.nbytes for _, pieces in puts for p in pieces)
        self.costs.received += sum(p.nbytes for _, pieces in gets for p in pieces)

    def _by_subtree(self, arrays: dict[int, np.ndarray]) -> dict[Node, np.ndarray]:
        """The team's rows, by the subtree whose sum each is."""
        return {
            node: row
            for rank, array in arrays.items()
            for node, row in zip(self.member.subtrees_of(rank), array, strict=True)
        }

    def merge(self, sums: np.ndarray) -> np.ndarray:
        counts = [len(self.member.subtrees_of(rank)) * sums.shape[1] for rank in range(self.member.size)]
        everyone = self._gather(sums, counts)
        blocks = {
            node: row
            for rank, values in enumerate(everyone)
            for node, row in zip(self.member.subtrees_of(rank), values.reshape(-1, sums.shape[1]), strict=True)
        }
        return tree.fold(blocks, np.add, 0, self.member.shards)

    def gather(self, values: np.ndarray) -> list[np.ndarray]:
        counts = self._gather(np.array([values.size]), [1] * self.member.size)
        return self._gather(values, [int(count[0]) for count in counts])

    def state(self) -> dict[str, np.ndarray]:
        own = dict(self.owner.state) if self._master is None else {**self.owner.state, "weights": self._master}
        whole = {slot: self._whole(vector) for slot, vector in own.items()}
        if any(type(codec).state is not Codec.state for codec in (self.codec, self.weight_codec)):
            kept = {"teams": self._teams()}
            for series, coder in self._coders().items():
                kept.update((f"{series}/{name}", array) for name, array in coder.state().items())
            packed = io.BytesIO()
            np.savez(packed, **kept)  # type: ignore[arg-type]
            everyone = self.gather(np.frombuffer(packed.getvalue(), np.uint8))
            whole.update((f"codec/{rank}", each) for rank, each in enumerate(everyone))
        return whole

    def _coders(self) -> dict[str, Codec]:
        """What encodes each series of vectors that this task sends."""
        gradients = self._gradients.coders.items()
        return {f"g {owner} {a} {b}": coder for (owner, (a, b)), coder in gradients} | {"w": self._slices.coder}

    def _teams(self) -> np.ndarray:
        return np.frombuffer(repr((self.member.teams, self.member.shards)).encode(), np.uint8)

    def _whole(self, vector: np.ndarray) -> np.ndarray:
        everyone = self._gather(vector, self._sizes)
        return np.concatenate([everyone[rank] for rank in self.member.owners])

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        own = dict(self.owner.state) if self._master is None else {**self.owner.state, "weights": self._master}
        for slot, vector in own.items():
            vector[:] = state[slot][self.owner.span]
        if (packed := state.get(f"codec/{self.member.rank}")) is None:
            return
        with np.load(io.BytesIO(packed.tobytes()), allow_pickle=False) as kept:
            if not np.array_equal(kept["teams"], self._teams()):
                return
            for series, coder in self._coders().items():
                coder.load_state({k.partition("/")[2]: kept[k] for k in kept.files if k.partition("/")[0] == series})

    def config(self) -> dict[str, Any]:
        return {
            "name": "allreduce",
            "codec": self.codec.name,
            "weight_codec": self.weight_codec.name,
            "clip": [c.config() for c in as_clips(self.clip)],
        }

    def finish(self) -> None:
        self._gather(np.zeros(1), [1] * self.member.size)
        self.store.remove(self._old)
