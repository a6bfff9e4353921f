"""The contract of a block store: write-once named blocks between the members of one run."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sparkdl.errors import BlockError

Buffer = bytes | bytearray | memoryview | np.ndarray
Pieces = Buffer | Sequence[Buffer]
"""A block's bytes: one contiguous buffer, or several that stand one after another in the block."""

ALL = -1  # the target of a block that is for everybody
KIND_LENGTH = 8
TIMEOUT = 600.0  # seconds: compiling kernels, or reading one's rows, may take a task minutes longer than the others


class Block(NamedTuple):
    """A block's name within its run.

    ``kind`` is up to eight lower-case letters and digits, ``step`` rises within a kind, ``source`` and ``target``
    are ranks (``ALL``: for everybody), ``part`` counts the blocks of one message.
    """

    kind: str
    step: int
    source: int
    target: int = ALL
    part: int = 0

    def __str__(self) -> str:
        target = "all" if self.target == ALL else self.target
        return f"{self.kind}_{self.step}_{self.source}_{target}_{self.part}"


class Timing(NamedTuple):
    """Seconds that one call spent until its peers were ready, and until all bytes were here after that."""

    wait: float = 0.0
    move: float = 0.0


class Stats(NamedTuple):
    """What one executor's store has done for this run so far; fetched means: taken from another executor."""

    blocks_put: int
    bytes_put: int
    blocks_fetched: int
    bytes_fetched: int
    polls: int
    blocks_held: int
    bytes_held: int


class BlockStore(abc.ABC):
    """One member's access to the blocks of a run.

    Blocks are write-once: the first put of a name wins, a second one changes nothing. A member puts all blocks of one
    kind and step in one call, and a kind's steps rise; so "kind k of member m is there up to step s" is one number,
    and a reader waits for that number, never for a single block. A block that is missing although its step is there
    is lost: an error.

    ``rank`` is this member, ``teams`` the ranks that share an executor, so memory, ordered by their lowest rank.
    """

    rank: int
    teams: tuple[tuple[int, ...], ...]

    @abc.abstractmethod
    def share(self, nbytes: int) -> np.ndarray:
        """Zeroed bytes that all members of this member's team see, each calling with the same size.

        Blocks are put from here and fetched into here without a further copy.
        """

    @abc.abstractmethod
    def exchange(
        self,
        puts: Sequence[tuple[Block, Pieces]] = (),
        gets: Sequence[tuple[Block, Pieces]] = (),
        removes: Sequence[Block] = (),
        timeout: float = TIMEOUT,
        lend: bool = False,
    ) -> Timing:
        """Puts, then waits for and fetches ``gets`` into their buffers, then removes own blocks: in one call.

        With ``lend`` a store may leave what is put in the caller's shared memory rather than copy it: these bytes must
        not change until the block has been removed, or until all who fetch it are known to have done so.

        Raises BlockError when a block is late, lost or of another size than its buffers.
        """

    @abc.abstractmethod
    def read(self, block: Block, timeout: float = TIMEOUT) -> bytes:
        """A block of any size, waited for."""

    @abc.abstractmethod
    def wait(self, kind: str, step: int, sources: Sequence[int], timeout: float = TIMEOUT) -> None:
        """Until every source has put ``kind`` up to ``step``."""

    @abc.abstractmethod
    def came(self, kind: str, step: int, source: int, timeout: float) -> bool:
        """Whether the source has put ``kind`` up to ``step``, as far as that can be seen within ``timeout`` seconds."""

    @abc.abstractmethod
    def drop(self) -> None:
        """Removes every block of the run that this member's executor holds."""

    @abc.abstractmethod
    def stats(self) -> Stats:
        """Counts of this member's executor."""

    @abc.abstractmethod
    def close(self) -> None:
        """Gives back connection and memory; blocks stay for the peers. Safe to call twice."""

    def put(self, block: Block, data: Pieces) -> None:
        """One block that is all of its kind and step."""
        self.exchange(puts=[(block, data)])

    def get(self, block: Block, out: Pieces | None = None, timeout: float = TIMEOUT) -> bytes | None:
        """One block, into ``out`` or as new bytes."""
        if out is None:
            return self.read(block, timeout)
        self.exchange(gets=[(block, out)], timeout=timeout)
        return None

    def get_many(self, blocks: Sequence[Block], outs: Sequence[Pieces], timeout: float = TIMEOUT) -> Timing:
        """Several blocks, from any members, at once."""
        return self.exchange(gets=list(zip(blocks, outs, strict=True)), timeout=timeout)

    def remove(self, blocks: Sequence[Block]) -> None:
        """Own blocks that no one needs any more; those that are not there are no error."""
        self.exchange(removes=blocks)


def views(pieces: Pieces) -> list[memoryview]:
    """The pieces as flat byte views; a buffer that is not contiguous is an error."""
    several = (pieces,) if isinstance(pieces, Buffer) else pieces
    return [as_bytes(piece) for piece in several]


def as_bytes(buffer: Buffer) -> memoryview:
    view = memoryview(buffer)  # type: ignore[arg-type]  # NumPy's arrays are buffers, which mypy learns in Python 3.12
    if not view.c_contiguous:
        raise ValueError(f"a block's buffer must be contiguous, got shape {view.shape} with strides {view.strides}.")
    return view.cast("B") if view.nbytes else memoryview(b"")


def late(what: object, peer: str, waited: float, seen: object) -> BlockError:
    """The error of a block that did not come in time."""
    return BlockError(
        f"{what} did not come from {peer} within {waited:.1f} s; the newest of its kind there: {seen}. "
        "Look at that task's log (failed, or slower than the time-out?) and at the executor's memory and network."
    )


def lost(block: object, peer: str, reason: str) -> BlockError:
    """The error of a block that was announced and is not there."""
    return BlockError(
        f"block {block} was put by {peer} and cannot be had from there: {reason}. "
        "The executor was lost, or the run was dropped while it was going on; look at the executor's log."
    )


def wrong_size(block: object, peer: str, size: object, expected: object) -> BlockError:
    """The error of a block that is not of the size that its reader computed."""
    return BlockError(
        f"block {block} from {peer} has {size} bytes, expected {expected}. "
        "All tasks must train the same model with the same options and the same version of this library."
    )
