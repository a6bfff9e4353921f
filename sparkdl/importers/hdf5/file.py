"""The bytes of a file: bounded access, superblock, object headers, heaps."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from sparkdl.errors import FormatError, UnsupportedError
from sparkdl.importers.limits import current, within

if TYPE_CHECKING:
    from sparkdl.importers.hdf5.group import Group

MAGIC = b"\x89HDF\r\n\x1a\n"
_CONTINUATION = 0x10


class Hdf5:
    """An open file; ``root`` is its root group."""

    def __init__(self, path: str | Path | bytes) -> None:
        self.data: bytes | mmap.mmap
        if isinstance(path, bytes):
            self.path, self.data = Path("(in memory)"), path
        else:
            self.path = Path(path)
            size = self.path.stat().st_size
            within(f"{self.path.name}: size in bytes", size, current().file)
            if size < 64:
                raise FormatError(f"{path}: {size} bytes are no HDF5 file.")
            with open(path, "rb") as file:
                self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.size = len(self.data)
        self.work = 0
        self.budget = max(1 << 28, 100 * self.size)  # bytes that all arrays together may become
        self.base = 0
        self._heaps: dict[int, dict[int, tuple[int, int]]] = {}
        self._root = self._superblock()

    def __enter__(self) -> Hdf5:
        return self

    def __exit__(self, *args: object) -> None:
        self.close()

    def close(self) -> None:
        if isinstance(self.data, mmap.mmap):
            self.data.close()

    @property
    def root(self) -> Group:
        from sparkdl.importers.hdf5.group import Group

        return Group(self, self._root, "/")

    # -- bounded access --------------------------------------------------------------------------------------------
    def fail(self, why: str) -> NoReturn:
        raise FormatError(f"{self.path}: {why}; the file is corrupt or truncated.")

    def refuse(self, what: str) -> NoReturn:
        raise UnsupportedError(f"{self.path}: {what} is not read; write the file again with h5repack or h5py's defaults.")

    def spend(self, work: int = 1) -> None:
        """Counts objects looked at, so that loops in a file end."""
        self.work += work
        within("objects of the file", self.work, current().fields)

    def take(self, at: int, size: int) -> bytes:
        """``size`` bytes at a place that must lie in the file."""
        if at < 0 or size < 0 or at + size > self.size:
            self.fail(f"{size:,} bytes at {at:,} lie beyond the end ({self.size:,} bytes)")
        return self.data[at : at + size]

    def number(self, at: int, size: int) -> int:
        return int.from_bytes(self.take(at, size), "little")

    def offset(self, at: int) -> int | None:
        """The address stored at a place; None for 'undefined'."""
        value = self.number(at, self.offsets)
        return None if value == (1 << 8 * self.offsets) - 1 else value + self.base

    def length(self, at: int) -> int:
        return self.number(at, self.lengths)

    # -- superblock ------------------------------------------------------------------------------------------------
    def _superblock(self) -> int:
        start = next((s for s in (0, *(512 << i for i in range(16))) if self.data[s : s + 8] == MAGIC), None)
        if start is None:
            raise FormatError(f"{self.path} is no HDF5 file: its signature is missing.")
        version = self.number(start + 8, 1)
        if version in (0, 1):
            self.offsets, self.lengths = self.number(start + 13, 1), self.number(start + 14, 1)
            self._check_sizes()
            at = start + 24 + (4 if version else 0)
            self.base = self.number(at, self.offsets)
            root = self.offset(at + 4 * self.offsets + self.offsets)
        elif version in (2, 3):
            self.offsets, self.lengths = self.number(start + 9, 1), self.number(start + 10, 1)
            self._check_sizes()
            at = start + 12
            self.base = self.number(at, self.offsets)
            root = self.offset(at + 3 * self.offsets)
        else:
            self.fail(f"unknown version {version} of the superblock")
        if root is None:
            self.fail("there is no root group")
        return root

    def _check_sizes(self) -> None:
        if self.offsets not in (2, 4, 8) or self.lengths not in (2, 4, 8):
            self.fail(f"sizes of offsets and lengths are {self.offsets} and {self.lengths}")

    # -- object headers --------------------------------------------------------------------------------------------
    def messages(self, address: int) -> list[tuple[int, int, int]]:
        """``(type, place, size)`` of the messages of the object at ``address``."""
        if self.take(address, 4) == b"OHDR":
            return self._messages_v2(address)
        if self.number(address, 1) != 1:
            self.fail(f"no object header at {address:,}")
        count, size = self.number(address + 2, 2), self.number(address + 8, 4)
        found: list[tuple[int, int, int]] = []
        blocks = [(address + 16, size)]
        while blocks:
            at, size = blocks.pop(0)
            end = at + size
            self.take(at, size)
            while at + 8 <= end and len(found) < count:
                self.spend()
                kind, length, flags = self.number(at, 2), self.number(at + 2, 2), self.number(at + 4, 1)
                self._note(found, blocks, kind, at + 8, length, flags, end)
                at += 8 + length
        return found

    def _messages_v2(self, address: int) -> list[tuple[int, int, int]]:
        flags = self.number(address + 5, 1)
        at = address + 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
        width = 1 << (flags & 3)
        size = self.number(at, width)
        found: list[tuple[int, int, int]] = []
        blocks = [(at + width, size)]
        head = 6 if flags & 0x04 else 4
        first = True
        while blocks:
            at, size = blocks.pop(0)
            if not first:
                if self.take(at, 4) != b"OCHK":
                    self.fail(f"no continuation of an object header at {at:,}")
                at, size = at + 4, size - 8
            first = False
            end = at + size
            self.take(at, max(size, 0))
            while at + head <= end:
                self.spend()
                kind, length, flags_ = self.number(at, 1), self.number(at + 1, 2), self.number(at + 3, 1)
                self._note(found, blocks, kind, at + head, length, flags_, end)
                at += head + length
        return found

    def _note(
        self, found: list, blocks: list, kind: int, at: int, length: int, flags: int, end: int
    ) -> None:
        if at + length > end:
            self.fail(f"a message at {at:,} reaches beyond its object header")
        if kind == _CONTINUATION:
            address = self.offset(at)
            if address is None:
                self.fail("a continuation without address")
            blocks.append((address, self.length(at + self.offsets)))
        elif flags & 0x02 and kind not in (0, 5):
            self.refuse("a shared message (a named datatype)")
        else:
            found.append((kind, at, length))

    # -- strings of variable length --------------------------------------------------------------------------------
    def heap_object(self, address: int, index: int) -> bytes:
        """An object of a global heap."""
        if address not in self._heaps:
            self._heaps[address] = self._heap(address)
        if index not in self._heaps[address]:
            self.fail(f"the heap at {address:,} has no object {index}")
        return self.take(*self._heaps[address][index])

    def _heap(self, address: int) -> dict[int, tuple[int, int]]:
        if self.take(address, 4) != b"GCOL":
            self.fail(f"no heap at {address:,}")
        end = address + self.length(address + 8)
        self.take(address, end - address)
        at, objects = address + 8 + self.lengths, {}
        while at + 8 + self.lengths <= end:
            self.spend()
            index, size = self.number(at, 2), self.length(at + 8)
            if index == 0:
                break
            objects[index] = (at + 8 + self.lengths, size)
            at += 8 + self.lengths + (size + 7) // 8 * 8
        return objects
