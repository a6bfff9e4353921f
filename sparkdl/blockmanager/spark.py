"""The block store of a Spark task: blocks of the session's own block managers, reached through the door."""

from __future__ import annotations

import mmap
import os
import shutil
import struct
import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from sparkdl.blockmanager.bridge import client
from sparkdl.blockmanager.bridge.client import Client, Refusal, Verb, text, texts
from sparkdl.blockmanager.kept import KeptBlocks
from sparkdl.blockmanager.store import (
    KIND_LENGTH,
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
from sparkdl.errors import BlockError, ClusterError

_INT, _LONG = struct.Struct("<i"), struct.Struct("<q")
_PAIR, _PIECE = struct.Struct("<qq"), struct.Struct("<iqq")
_INLINE = -1
LARGEST = 1 << 30  # bytes of one piece


class Peer(NamedTuple):
    """Where a member is: its executor's id and block transfer address."""

    executor: str
    address: str


def connect(run: int, rank: int, size: int, timeout: float = TIMEOUT, address: str | None = None) -> SparkStore:
    """Joins a run from within a Spark task, and waits until all ``size`` members have joined.

    ``run`` is a fresh number for every attempt of a stage (see `bridge.new_run`). ``address`` is the door's socket;
    by default the one of this task's executor. Use the store in a ``with`` block, or close it.
    """
    return SparkStore(Client(address or client.address()), run, rank, size, timeout)


def outlive(run: int, rank: int) -> None:
    """Returns once task ``rank`` of the run, in whatever executor, is no longer connected to its door."""
    door = Client(client.address())
    try:
        while _INT.unpack(door.call(Verb.LIVES, struct.pack("<qi", run, rank))[0])[0]:
            time.sleep(0.2)
    finally:
        door.close()


class SparkStore(BlockStore):
    """See `connect`. ``peers`` says where each member is; members in one executor are a team."""

    def __init__(self, door: Client, run: int, rank: int, size: int, timeout: float) -> None:
        self.run, self.rank, self._door = run, rank, door
        self._arenas: list[tuple[int, int, int]] = []  # address, bytes, number
        self._maps: list[mmap.mmap] = []
        try:
            head = struct.pack("<qiiqB", run, rank, size, int(timeout * 1e9), 0)
            names = texts(door.call(Verb.JOIN, head)[0])
        except Refusal as refusal:
            door.close()
            if refusal.status != Refusal.ABSENT:
                raise
            absent = refusal.facts[0].strip("[]")
            raise ClusterError(
                f"{size - len(absent.split(','))} of {size} tasks met within {timeout:.0f} s; missing: {absent}. "
                f"Are there {size} free slots? Is another job holding them, or did a task fail?"
            ) from None
        self.peers = [Peer(*pair) for pair in zip(names[::2], names[1::2], strict=True)]
        by_place: dict[Peer, list[int]] = {}
        for member, peer in enumerate(self.peers):
            by_place.setdefault(peer, []).append(member)
        self.teams = tuple(map(tuple, by_place.values()))
        self._mates = tuple(by_place[self.peers[rank]])

    @property
    def neighbours(self) -> int:
        """How many of the run's tasks are on this one's machine, itself among them."""
        hosts = [peer.address.rpartition(":")[0] for peer in self.peers]
        return hosts.count(hosts[self.rank])

    def __enter__(self) -> SparkStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def share(self, nbytes: int) -> np.ndarray:
        nbytes = max(nbytes, mmap.PAGESIZE)
        key = f"{self.run} {self.peers[self.rank].executor} {len(self._maps)}"
        head = text(key) + text(_folder(nbytes)) + struct.pack("<qi", nbytes, len(self._mates))
        path = texts(self._door.call(Verb.SHARE, head)[0])[0]
        with open(path, "r+b") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, nbytes)  # else a full disk shows as a bus error, later
            except OSError as error:
                raise ClusterError(f"no room for {nbytes >> 20} MiB of memory shared in {path}: {error}.") from error
            memory = mmap.mmap(file.fileno(), nbytes)
        self._door.call(Verb.MAPPED)
        self._maps.append(memory)
        array = np.frombuffer(memory, np.uint8)
        self._arenas.append((array.__array_interface__["data"][0], nbytes, len(self._arenas)))
        return array

    def exchange(
        self,
        puts: Sequence[tuple[Block, Pieces]] = (),
        gets: Sequence[tuple[Block, Pieces]] = (),
        removes: Sequence[Block] = (),
        timeout: float = TIMEOUT,
        lend: bool = False,
    ) -> Timing:
        body: list[memoryview] = []
        head = [_limits(timeout, lend), _INT.pack(len(puts))]
        for block, pieces in puts:
            head.append(text(str(block)))
            head += self._pieces(views(pieces), body)
        announced = sorted({(block.kind, block.step) for block, _ in puts})
        head.append(_INT.pack(len(announced)))
        head += [_PAIR.pack(_kind(kind), step) for kind, step in announced]
        inline: list[memoryview] = []
        sources: dict[int, list[tuple[Block, Pieces]]] = {}
        for message in gets:
            sources.setdefault(message[0].source, []).append(message)
        head.append(_INT.pack(len(sources)))
        for source, messages in sources.items():
            head += _waits(source, ((block.kind, block.step) for block, _ in messages))
            head.append(_INT.pack(len(messages)))
            for block, pieces in messages:
                head.append(text(str(block)))
                head += self._pieces(views(pieces), inline)
        head.append(_INT.pack(len(removes)))
        head += [text(str(block)) for block in removes]
        answer, data = self._call(Verb.EXCHANGE, b"".join(head), body, timeout)
        at = 0
        for out in inline:
            out[:] = data[at : at + len(out)]
            at += len(out)
        waited, moved = _PAIR.unpack_from(answer)
        return Timing(waited * 1e-9, moved * 1e-9)

    def read(self, block: Block, timeout: float = TIMEOUT) -> bytes:
        head = [_limits(timeout), _INT.pack(0), _INT.pack(0), _INT.pack(1)]
        head += _waits(block.source, [(block.kind, block.step)])
        head += [_INT.pack(1), text(str(block)), _INT.pack(1), _PIECE.pack(_INLINE, 0, -1), _INT.pack(0)]
        return bytes(self._call(Verb.EXCHANGE, b"".join(head), (), timeout)[1])

    def wait(self, kind: str, step: int, sources: Sequence[int], timeout: float = TIMEOUT) -> None:
        self._call(Verb.EXCHANGE, _waiting(kind, step, sources, timeout), (), timeout)

    def came(self, kind: str, step: int, source: int, timeout: float) -> bool:
        try:
            self._door.call(Verb.EXCHANGE, _waiting(kind, step, [source], timeout))
        except Refusal as refusal:
            if refusal.status != Refusal.LATE:
                raise self._error(refusal, timeout) from None
            return False
        return True

    def note(self, message: str) -> None:
        """Text for the driver (at most 16 KiB), which reads the newest one with `bridge.read_notes`."""
        self._door.call(Verb.NOTE, text(message))

    def kept(self, run: int) -> KeptBlocks:
        """Blocks that outlive this store's run, under the number ``run``."""
        return KeptBlocks(self._door, run, self.run)

    def drop(self) -> None:
        self._door.call(Verb.DROP)

    def stats(self) -> Stats:
        return Stats(*self._figures()[:7])

    def jvm_bytes(self) -> dict[str, int]:
        """Bytes of direct and of mapped buffers in this executor's JVM."""
        return dict(zip(("direct", "mapped"), self._figures()[7:9], strict=True))

    def _figures(self) -> list[int]:
        return [value for (value,) in _LONG.iter_unpack(self._door.call(Verb.STATS)[0])]

    def close(self) -> None:
        try:
            self._door.call(Verb.LEAVE)
        except BlockError:
            pass  # the executor has gone, and everything that is to be given back with it
        self._door.close()
        self._maps.clear()  # unmapped when the last array that lies there goes

    def _pieces(self, buffers: Sequence[memoryview], inline: list[memoryview]) -> Iterable[bytes]:
        """Where each buffer is: in shared memory, or (appended to ``inline``) in the message."""
        yield _INT.pack(len(buffers))
        for buffer in buffers:
            if len(buffer) > LARGEST:
                raise ValueError(f"a block's buffer has at most {LARGEST} bytes, got {len(buffer)}; cut it into parts.")
            place = self._place(buffer)
            if place is None:
                inline.append(buffer)
                place = _INLINE, 0
            yield _PIECE.pack(*place, len(buffer))

    def _place(self, buffer: memoryview) -> tuple[int, int] | None:
        if not self._arenas or not len(buffer):
            return None
        at = np.frombuffer(buffer, np.uint8).__array_interface__["data"][0]
        for start, size, number in self._arenas:
            if start <= at < start + size:
                return number, at - start
        return None

    def _call(
        self, verb: Verb, head: bytes, body: Sequence[memoryview], timeout: float
    ) -> tuple[memoryview, memoryview]:
        try:
            return self._door.call(verb, head, body)
        except Refusal as refusal:
            raise self._error(refusal, timeout) from None

    def _error(self, refusal: Refusal, timeout: float) -> BlockError:
        facts = refusal.facts
        if refusal.status == Refusal.LATE:
            kind, step, source, seen = facts
            return late(f"step {step} of blocks {kind!r}", self._name(source), timeout, seen)
        if refusal.status == Refusal.LOST:
            block, source, reason = facts
            return lost(block, self._name(source), reason)
        if refusal.status == Refusal.SIZE:
            block, source, size, expected = facts
            return wrong_size(block, self._name(source), size, expected)
        return refusal

    def _name(self, source: str) -> str:
        peer = self.peers[int(source)]
        return f"task {source} (executor {peer.executor} at {peer.address})"


def _kind(kind: str) -> int:
    """A kind's characters as one number, as it stands on a page."""
    if not (kind.isascii() and kind.isalnum() and len(kind) <= KIND_LENGTH):
        raise ValueError(f"a kind of blocks is 1 to {KIND_LENGTH} letters and digits, got {kind!r}.")
    return int.from_bytes(kind.encode(), "little")


def _limits(timeout: float, lend: bool = False) -> bytes:
    """How an exchange opens."""
    return struct.pack("<qB", int(timeout * 1e9), lend)


def _waiting(kind: str, step: int, sources: Sequence[int], timeout: float) -> bytes:
    """An exchange that does nothing but wait."""
    head = [_limits(timeout), _INT.pack(0), _INT.pack(0), _INT.pack(len(sources))]
    for source in sources:
        head += [*_waits(source, [(kind, step)]), _INT.pack(0)]
    return b"".join([*head, _INT.pack(0)])


def _waits(source: int, steps: Iterable[tuple[str, int]]) -> list[bytes]:
    """What to wait for on a source's page: the newest step wanted of each kind."""
    newest: dict[str, int] = {}
    for kind, step in steps:
        newest[kind] = max(step, newest.get(kind, step))
    pairs = [_PAIR.pack(_kind(kind), step) for kind, step in newest.items()]
    return [_INT.pack(source), _INT.pack(len(pairs)), *pairs]


def _folder(nbytes: int) -> str:
    """Memory if there is enough of it (a Kubernetes pod has 64 MiB by default), else Spark's local disk."""
    memory = "/dev/shm"
    if os.path.isdir(memory) and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 1.5 * nbytes:
        return memory
    return os.environ["SPARK_LOCAL_DIRS"].split(",")[0]
