"""Links of large or ordered new-style groups: a fractal heap of link messages, found through a version 2 B-tree."""

from __future__ import annotations

from sparkdl.importers.hdf5.file import Hdf5

_BY_NAME = 5


class _FractalHeap:
    """Managed objects of a fractal heap without filters, by their heap ids."""

    def __init__(self, file: Hdf5, address: int) -> None:
        self.file = file
        if file.take(address, 4) != b"FRHP":
            file.fail(f"no fractal heap at {address:,}")
        if file.number(address + 7, 2):
            file.refuse("a fractal heap with filters")
        o, n = file.offsets, file.lengths
        self.checksummed = bool(file.number(address + 9, 1) & 2)
        at = address + 14 + n + o + n + o + 8 * n
        self.width = file.number(at, 2)
        self.first = file.length(at + 2)
        self.largest = file.length(at + 2 + n)
        self.bits = file.number(at + 2 + 2 * n, 2)
        self.root = file.offset(at + 6 + 2 * n)
        self.rows = file.number(at + 6 + 2 * n + o, 2)
        largest = min(self.largest, file.number(address + 10, 4)) or 1
        self.offset_size, self.length_size = (self.bits + 7) // 8, (largest.bit_length() + 7) // 8
        if not (self.width and self.first and self.largest):
            file.fail("a fractal heap with blocks of no size")

    def get(self, heap_id: bytes) -> tuple[int, int]:
        """Place and size in the file of the object with this id."""
        if heap_id[0] >> 4 & 3:
            self.file.refuse("a large or tiny object of a fractal heap")
        offset = int.from_bytes(heap_id[1 : 1 + self.offset_size], "little")
        size = int.from_bytes(heap_id[1 + self.offset_size : 1 + self.offset_size + self.length_size], "little")
        if self.root is None:
            self.file.fail("an object in an empty heap")
        if self.rows == 0:
            return self.root + offset, size
        return self._through(self.root, self.rows, offset), size

    def _block_size(self, row: int) -> int:
        return self.first << max(row - 1, 0)

    def _through(self, block: int, rows: int, offset: int) -> int:
        """The place in the file of a heap offset below an indirect block, whose direct rows come first."""
        file = self.file
        for _ in range(64):
            file.spend()
            if file.take(block, 4) != b"FHIB":
                file.fail(f"no indirect block at {block:,}")
            at = block + 5 + file.offsets + self.offset_size
            start = 0
            for row in range(rows):
                size = self._block_size(row)
                if offset < start + size * self.width:
                    column = (offset - start) // size
                    child = file.offset(at + (row * self.width + column) * file.offsets)
                    if child is None:
                        file.fail("an object in a missing block of a heap")
                    offset -= start + column * size
                    if size <= self.largest:
                        return child + offset
                    rows = (size // self.first // self.width).bit_length()
                    block = child
                    break
                start += size * self.width
            else:
                file.fail("an object beyond its heap")
        file.fail("a fractal heap that is nested too deeply")


def dense_links(file: Hdf5, heap_address: int | None, tree: int | None, links: dict[str, int]) -> None:
    """Adds the hard links of the group to ``links``."""
    from sparkdl.importers.hdf5.group import _link

    if heap_address is None or tree is None:
        file.fail("a group without an index of its links")
    heap = _FractalHeap(file, heap_address)
    for record in _records(file, tree):
        place, size = heap.get(record[4:])
        file.take(place, size)
        _link(file, place, size, links)


def _records(file: Hdf5, address: int) -> list[bytes]:
    """The records of a version 2 B-tree of link names."""
    if file.take(address, 4) != b"BTHD" or file.number(address + 5, 1) != _BY_NAME:
        file.fail(f"no B-tree of names at {address:,}")
    node_size, record_size, depth = file.number(address + 6, 4), file.number(address + 10, 2), file.number(address + 12, 2)
    root, count = file.offset(address + 16), file.number(address + 16 + file.offsets, 2)
    if root is None:
        return []
    if not record_size or depth > 16:
        file.fail("a B-tree with records of no size")
    most = [(node_size - 10) // record_size]  # per level: records that a node can hold, and all below it
    below = [most[0]]
    for _ in range(depth):
        pointer = file.offsets + _width(most[-1] if len(most) == 1 else most[0]) + (_width(below[-1]) if len(most) > 1 else 0)
        most.append((node_size - 10 - pointer) // (record_size + pointer))
        below.append((most[-1] + 1) * below[-1] + most[-1])
    records: list[bytes] = []
    stack = [(root, count, depth)]
    while stack:
        node, used, level = stack.pop()
        if file.take(node, 4) != (b"BTIN" if level else b"BTLF"):
            file.fail(f"no B-tree node at {node:,}")
        file.spend(1 + used)
        start = node + 6
        records += [file.take(start + i * record_size, record_size) for i in range(used)]
        if level:
            at = start + used * record_size
            few, all_ = _width(most[level - 1]), _width(below[level - 1]) if level > 1 else 0
            for i in range(used + 1):
                place = at + i * (file.offsets + few + all_)
                child = file.offset(place)
                if child is None:
                    file.fail("a B-tree has an empty child")
                stack.append((child, file.number(place + file.offsets, few), level - 1))
    return records


def _width(largest: int) -> int:
    return (max(largest, 1).bit_length() + 7) // 8
