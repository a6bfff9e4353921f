"""LMDB files, read without LMDB: the items of a database in key order; and Caffe's ``Datum`` pictures in them.

The library maps the file and trusts it, so that a truncated file ends the process; here every page is checked. The
file is a B+ tree of pages, two meta pages first, the one with the greater transaction number valid. Reading needs no
lock file. Databases of sorted duplicates and named ones inside are not read (Caffe writes neither).

Source: OpenLDAP, ``lmdb.h`` and ``mdb.c`` 0.9 (MDB_page, MDB_meta, MDB_db, MDB_node); BVLC ``caffe.proto``, Datum.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparkdl.carry import carry
from sparkdl.data.readers import protobuf as pb
from sparkdl.data.readers.stream import Source
from sparkdl.errors import FormatError, UnsupportedError

_META = struct.Struct("<16xII8xQ")  # page header; magic, version; map size
_DB = struct.Struct("<IHHQQQQQ")  # pad (page size), flags, depth, pages of three kinds, entries, root
_MAGIC, _EMPTY, _HEAD, _NODE = 0xBEEFC0DE, 2**64 - 1, 16, 8
_BRANCH, _LEAF, _OVERFLOW = 1, 2, 4  # page flags
_BIG, _SUB, _DUPLICATES = 1, 2, 4  # node flags


def lmdb_items(source: Source, share: tuple[int, int] = (0, 1)) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values in key order of a folder, its ``data.mdb``, or bytes; ``share=(p, P)``: only part p of P."""
    with _mapped(source) as (data, name):
        tree = _Tree(data, name)
        first, last = (tree.entries * (share[0] + i) // share[1] for i in (0, 1))
        at = 0
        for page, nodes in tree.leaves():
            skip, at = at, at + len(nodes)
            for node in nodes[max(first - skip, 0) : max(last - skip, 0)]:
                yield tree.item(page, node)
        if at != tree.entries:
            raise tree.error(f"{tree.entries:,} entries announced, {at:,} found")


class _Tree:
    """The main database of an LMDB file."""

    def __init__(self, data: Any, name: str) -> None:
        self.data, self.name = data, name
        metas = [meta for meta in (self._meta(0), self._meta(self._page_size())) if meta is not None]
        if not metas:
            raise self.error("not an LMDB file: neither of its first pages is a meta page of version 1")
        self.size, self.depth, self.flags, self.entries, self.root, _ = max(metas, key=lambda meta: meta[-1])

    def error(self, why: str) -> FormatError:
        return FormatError(f"{self.name}: {why}.")

    def leaves(self) -> Iterator[tuple[int, list[int]]]:
        """Leaf pages in order: where they start, and where their nodes do."""
        if self.root == _EMPTY:
            return
        if self.flags & ~0x08:  # integer keys are fine
            raise UnsupportedError(f"{self.name}: a database of flags {self.flags:#x} (sorted duplicates) is not read.")
        pending, seen = [(self.root, 1)], 0
        while pending:
            number, depth = pending.pop()
            seen += 1
            page, kind, nodes = self._page(number)
            leaf = depth == self.depth
            expected = _LEAF if leaf else _BRANCH
            if kind & (_LEAF | _BRANCH) != expected or depth > self.depth or seen > len(self.data) // self.size:
                raise self.error(f"the tree of pages is broken at page {number}")
            if leaf:
                yield page, nodes
            else:
                children = [struct.unpack("<HHH", self._take(page + node, 6)) for node in nodes]
                pending += [(lo | hi << 16 | top << 32, depth + 1) for lo, hi, top in reversed(children)]

    def item(self, page: int, node: int) -> tuple[bytes, bytes]:
        """Key and value of a leaf's node."""
        lo, hi, flags, key_size = struct.unpack("<HHHH", self._take(page + node, _NODE))
        size, at = lo | hi << 16, page + node + _NODE
        key = self._take(at, key_size)
        if flags & (_SUB | _DUPLICATES):
            raise UnsupportedError(f"{self.name}: key {key!r} holds a database of its own, which is not read.")
        if not flags & _BIG:
            return key, self._take(at + key_size, size)
        (number,) = struct.unpack("<Q", self._take(at + key_size, 8))
        start, kind, _ = self._page(number)
        if not kind & _OVERFLOW:
            raise self.error(f"the value of key {key!r} should lie at page {number}, which holds something else")
        return key, self._take(start + _HEAD, size)

    def _page(self, number: int) -> tuple[int, int, list[int]]:
        at = number * self.size
        own, _, flags, lower, upper = struct.unpack("<QHHHH", self._take(at, _HEAD))
        if own != number or not flags & (_BRANCH | _LEAF | _OVERFLOW):
            raise self.error(f"page {number} is not a page of the tree")
        if flags & _OVERFLOW:
            return at, flags, []
        if not _HEAD <= lower <= upper <= self.size or lower % 2:
            raise self.error(f"page {number} has a broken header")
        return at, flags, list(struct.unpack(f"<{(lower - _HEAD) // 2}H", self._take(at + _HEAD, lower - _HEAD)))

    def _take(self, at: int, count: int) -> bytes:
        piece = bytes(self.data[at : at + count])
        if len(piece) < count:
            raise self.error(f"the file is truncated: {count:,} bytes at {at:,} are missing")
        return piece

    def _page_size(self) -> int:
        size = struct.unpack_from("<I", self._take(0, 64), 40)[0]
        return size if 256 <= size <= 65536 and size & (size - 1) == 0 else 4096

    def _meta(self, at: int) -> tuple[int, int, int, int, int, int] | None:
        head = bytes(self.data[at : at + 152])
        if len(head) < 152:
            return None
        magic, version, _ = _META.unpack_from(head)
        size = _DB.unpack_from(head, 40)[0]
        if magic != _MAGIC or version != 1 or size != self._page_size():
            return None
        _, flags, depth, _, _, _, entries, root = _DB.unpack_from(head, 88)
        (transaction,) = struct.unpack_from("<Q", head, 144)
        return size, depth, flags, entries, root, transaction


class Datum(NamedTuple):
    """One of Caffe's pictures: ``data`` uint8 or float32 (channels, height, width), or an encoded file's bytes."""

    key: bytes
    label: int
    data: Any


def caffe_records(source: Source, share: tuple[int, int] = (0, 1)) -> Iterator[Datum]:
    """The pictures of a Caffe LMDB in key order. Encoded ones (JPEG, PNG) come as ``bytes``."""
    for key, value in lmdb_items(source, share):
        try:
            yield _datum(key, value)
        except FormatError as error:
            raise FormatError(f"{_name(source)}: the item of key {key!r} is not a Caffe Datum: {error}") from error


def read_caffe_lmdb(source: Source) -> tuple[NDArray, NDArray[np.int64]]:
    """Images (n, channels, height, width), uint8 or float32, and labels (n,); all of one shape and not encoded."""
    images: list[NDArray] = []
    labels: list[int] = []
    for datum in caffe_records(source):
        if isinstance(datum.data, bytes):
            raise UnsupportedError(
                f"{_name(source)}: its pictures are encoded; read them with caffe_records and decode by a transform."
            )
        if images and datum.data.shape != images[0].shape:
            raise FormatError(f"{_name(source)}: {datum.key!r} is {datum.data.shape}, others {images[0].shape}.")
        images.append(datum.data)
        labels.append(datum.label)
    return np.stack(images) if images else np.empty((0, 0, 0, 0), np.uint8), np.array(labels, np.int64)


def caffe_lmdb_frame(spark: Any, path: str, partitions: int | None = None) -> Any:
    """A Caffe LMDB as a DataFrame of key, label, shape and image: its pixels or the encoded file (shape is then empty).

    ``path`` is the folder, anywhere where Spark reads (up to 2 GiB). With ``partitions`` it is a path that every
    executor sees, of any size, read by that many tasks.
    """
    from sparkdl.data.readers.frames import arrow_type, frame_of_files

    schema = "key binary, label bigint, shape array<int>, image binary"
    if partitions is None:
        file = f"{path.rstrip('/')}/data.mdb"
        return frame_of_files(spark, file, lambda data: map(_row, caffe_records(data)), schema)

    def read(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa

        names = {"key": "binary", "label": "bigint", "shape": "array<int>", "image": "binary"}
        wanted = pa.schema([(name, arrow_type(kind)) for name, kind in names.items()])
        for batch in batches:
            for part in batch.column(0).to_pylist():
                for datum in caffe_records(path, (part, partitions)):
                    yield pa.RecordBatch.from_pylist([_row(datum)], schema=wanted)

    return spark.range(0, partitions, 1, partitions).mapInArrow(carry(read), schema)


def _row(datum: Datum) -> dict[str, Any]:
    encoded = isinstance(datum.data, bytes)
    if not encoded and datum.data.dtype != np.uint8:
        raise UnsupportedError("The LMDB holds pictures of floats; read it with read_caffe_lmdb.")
    image = datum.data if encoded else datum.data.tobytes()
    shape = [] if encoded else list(datum.data.shape)
    return {"key": datum.key, "label": datum.label, "shape": shape, "image": image}


def _datum(key: bytes, value: bytes) -> Datum:
    sizes, label, encoded, pixels, numbers = {1: 0, 2: 0, 3: 0}, 0, False, b"", []
    for number, wire, found in pb.fields(value):
        if number in sizes:
            sizes[number] = pb.integers(wire, found)[-1]
        elif number == 4:
            pixels = pb.message(wire, found)
        elif number == 5:
            label = pb.integers(wire, found)[-1]
        elif number == 6:
            numbers.append(pb.floats(wire, found))
        elif number == 7:
            encoded = bool(pb.integers(wire, found)[-1])
    if encoded:
        return Datum(key, label, pixels)
    data = np.concatenate(numbers) if numbers else np.frombuffer(pixels, np.uint8)
    shape = tuple(sizes.values())
    if min(shape) < 1 or data.size != shape[0] * shape[1] * shape[2]:
        raise FormatError(f"{data.size:,} values do not make a picture of {shape} (channels, height, width).")
    return Datum(key, label, data.reshape(shape))


def _name(source: Source) -> str:
    return "the given bytes" if isinstance(source, bytes) else str(source)


@contextmanager
def _mapped(source: Source) -> Iterator[tuple[Any, str]]:
    if isinstance(source, bytes):
        yield source, _name(source)
        return
    path = Path(source)
    path = path / "data.mdb" if path.is_dir() else path
    if not path.stat().st_size:
        raise FormatError(f"{path} is empty.")
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield data, str(path)
