"""How the values of a dataset lie in the file: compact, contiguous, in chunks with filters."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from sparkdl.importers.hdf5 import types
from sparkdl.importers.hdf5.file import Hdf5

_COMPACT, _CONTIGUOUS, _CHUNKED = 0, 1, 2
_DEFLATE, _SHUFFLE, _FLETCHER = 1, 2, 3
_SINGLE, _IMPLICIT = 1, 2


def read(file: Hdf5, name: str, shape: tuple[int, ...], dtype: Any, layout: int, filters: int | None) -> np.ndarray:
    """The array; ``layout`` and ``filters`` are the places of those messages."""
    size = types.count(shape) * dtype.itemsize
    version = file.number(layout, 1)
    if version in (1, 2):
        return _old(file, name, shape, dtype, layout, filters, size)
    if version not in (3, 4):
        file.refuse(f"{name}: version {version} of the layout")
    kind = file.number(layout + 1, 1)
    if kind == _COMPACT:
        return _plain(file, name, shape, dtype, layout + 4, file.number(layout + 2, 2), size)
    if kind == _CONTIGUOUS:
        return _plain(file, name, shape, dtype, file.offset(layout + 2), file.length(layout + 2 + file.offsets), size)
    if kind != _CHUNKED:
        file.refuse(f"{name}: a virtual dataset")
    if version == 3:
        rank = file.number(layout + 2, 1)
        tree = file.offset(layout + 3)
        at = layout + 3 + file.offsets
        chunk = tuple(file.number(at + 4 * i, 4) for i in range(rank))
        return _chunks(file, name, shape, dtype, chunk, _tree(file, tree, rank), filters)
    return _newer(file, name, shape, dtype, layout, filters)


def _old(
    file: Hdf5, name: str, shape: tuple[int, ...], dtype: Any, layout: int, filters: int | None, size: int
) -> np.ndarray:
    rank, kind = file.number(layout + 1, 1), file.number(layout + 2, 1)
    at = layout + 8
    address = None
    if kind != _COMPACT:
        address, at = file.offset(at), at + file.offsets
    sizes = tuple(file.number(at + 4 * i, 4) for i in range(rank))
    at += 4 * rank
    if kind == _CHUNKED:
        return _chunks(file, name, shape, dtype, sizes, _tree(file, address, rank), filters)
    if kind == _COMPACT:
        return _plain(file, name, shape, dtype, at + 4, file.number(at, 4), size)
    return _plain(file, name, shape, dtype, address, size, size)


def _newer(file: Hdf5, name: str, shape: tuple[int, ...], dtype: Any, layout: int, filters: int | None) -> np.ndarray:
    flags, rank, width = (file.number(layout + i, 1) for i in (2, 3, 4))
    if not 1 <= width <= 8:
        file.fail(f"{name}: chunk sizes of {width} bytes each")
    at = layout + 5
    chunk = tuple(file.number(at + i * width, width) for i in range(rank))
    at += rank * width
    index, at = file.number(at, 1), at + 1
    bytes_ = types.count(chunk)
    if index == _SINGLE:
        stored, mask = bytes_, 0
        if flags & 2:
            stored, mask = file.length(at), file.number(at + file.lengths, 4)
            at += file.lengths + 4
        places = iter([((0,) * rank, file.offset(at), stored, mask)])
    elif index == _IMPLICIT:
        start = file.offset(at)
        counts = [-(-n // c) if c else 0 for n, c in zip(shape, chunk, strict=False)]
        if start is None or types.count(tuple(counts)) * bytes_ > file.size:
            file.fail(f"{name}: chunks lie beyond the end")
        places = (
            ((*(i * c for i, c in zip(which, chunk, strict=False)), 0), start + n * bytes_, bytes_, 0)
            for n, which in enumerate(np.ndindex(*counts))
        )
    else:
        file.refuse(f"{name}: a chunk index of kind {index}")
    return _chunks(file, name, shape, dtype, chunk, places, filters)


def _plain(
    file: Hdf5, name: str, shape: tuple[int, ...], dtype: Any, address: int | None, stored: int, size: int
) -> np.ndarray:
    if size == 0:
        return np.zeros(shape, dtype)
    if address is None:
        file.fail(f"{name} has no data")
    if stored < size:
        file.fail(f"{name} wants {size:,} bytes, {stored:,} are stored")
    return np.frombuffer(file.take(address, size), dtype).reshape(shape)


def _tree(file: Hdf5, address: int | None, rank: int) -> Iterator[tuple[tuple[int, ...], int | None, int, int]]:
    """``(offsets, address, stored size, filter mask)`` of the chunks in a version 1 B-tree."""
    stack, seen = [] if address is None else [(address, 255)], set()
    key = 8 + 8 * rank
    while stack:
        node, above = stack.pop()
        file.spend()
        if node in seen or file.take(node, 4) != b"TREE" or file.number(node + 4, 1) != 1:
            file.fail(f"no B-tree node of chunks at {node:,}")
        seen.add(node)
        level, used = file.number(node + 5, 1), file.number(node + 6, 2)
        if level >= above:
            file.fail("levels of a B-tree do not fall")
        at = node + 8 + 2 * file.offsets
        for i in range(used):
            file.spend()
            place = at + i * (key + file.offsets)
            child = file.offset(place + key)
            if level:
                if child is None:
                    file.fail("a B-tree has an empty child")
                stack.append((child, level))
                continue
            offsets = tuple(file.number(place + 8 + 8 * k, 8) for k in range(rank))
            yield offsets, child, file.number(place, 4), file.number(place + 4, 4)


def _chunks(
    file: Hdf5,
    name: str,
    shape: tuple[int, ...],
    dtype: Any,
    chunk: tuple[int, ...],
    places: Iterator[tuple[tuple[int, ...], int | None, int, int]],
    filters: int | None,
) -> np.ndarray:
    if len(chunk) != len(shape) + 1 or chunk[-1] != dtype.itemsize or 0 in chunk:
        file.fail(f"{name}: chunks of {chunk} do not fit an array of shape {shape}")
    steps = _pipeline(file, filters)
    bytes_ = types.count(chunk)
    if bytes_ > max(1 << 16, types.count(shape) * dtype.itemsize) * 64:
        file.fail(f"{name}: a chunk of {bytes_:,} bytes")
    wanted = types.count(tuple(-(-n // c) for n, c in zip(shape, chunk, strict=False)))
    if wanted > file.size:
        file.fail(f"{name}: {wanted:,} chunks in {file.size:,} bytes")
    array = np.zeros(shape, dtype)
    seen = set()
    for offsets, address, stored, mask in places:
        corner = offsets[:-1]
        if address is None or any(o % c or o >= n for o, c, n in zip(corner, chunk, shape, strict=False)) or corner in seen:
            file.fail(f"{name}: a chunk at {corner} of shape {shape}")
        seen.add(corner)
        raw = _unfiltered(file, name, file.take(address, stored), steps, mask, bytes_, dtype.itemsize)
        block = np.frombuffer(raw, dtype).reshape(chunk[:-1])
        window = tuple(slice(o, min(o + c, n)) for o, c, n in zip(corner, chunk, shape, strict=False))
        array[window] = block[tuple(slice(0, w.stop - w.start) for w in window)]
    if len(seen) != wanted:
        file.fail(f"{name}: {len(seen):,} of {wanted:,} chunks are there")
    return array


def _pipeline(file: Hdf5, at: int | None) -> list[tuple[int, list[int]]]:
    """``(filter, its values)`` in the order of writing."""
    if at is None:
        return []
    version, number = file.number(at, 1), file.number(at + 1, 1)
    if version not in (1, 2) or number > 32:
        file.fail("a filter pipeline of an unknown version")
    at += 8 if version == 1 else 2
    steps = []
    for _ in range(number):
        which = file.number(at, 2)
        named = version == 1 or which >= 256
        name_size = file.number(at + 2, 2) if named else 0
        at += 4 if named else 2
        values = file.number(at + 2, 2)
        at += 4 + ((name_size + 7) // 8 * 8 if version == 1 else name_size)
        steps.append((which, [file.number(at + 4 * i, 4) for i in range(values)]))
        at += 4 * values + (4 if version == 1 and values % 2 else 0)
        if which not in (_DEFLATE, _SHUFFLE, _FLETCHER):
            file.refuse(f"filter number {which}")
    return steps


def _unfiltered(
    file: Hdf5, name: str, raw: bytes, steps: list[tuple[int, list[int]]], mask: int, size: int, itemsize: int
) -> bytes:
    for i, (which, values) in reversed(list(enumerate(steps))):
        if mask >> i & 1:
            continue
        if which == _DEFLATE:
            try:
                raw = zlib.decompressobj().decompress(raw, size + 16)
            except zlib.error as error:
                file.fail(f"{name}: a compressed chunk cannot be read ({error})")
        elif which == _FLETCHER:
            raw = raw[:-4]
        elif which == _SHUFFLE:
            item = values[0] if values else itemsize
            whole = len(raw) // item * item if item else 0
            if item > 1:
                raw = np.frombuffer(raw[:whole], np.uint8).reshape(item, -1).T.tobytes() + raw[whole:]
    if len(raw) < size:
        file.fail(f"{name}: a chunk holds {len(raw):,} bytes, {size:,} are wanted")
    return raw[:size]
