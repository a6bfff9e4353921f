"""Stored columns of a feed: what is kept per row, and how rows are taken out for a batch.

    len(store)                  rows
    store.row_shape             shape of one row; None for strings of bytes
    store.take(index)           the rows of ``index`` as a fresh array (k, ...), C order
    store.fold(hashes)          fold every row's canonical content into ``hashes`` (see ``rowhash``)
    store.content(i) -> bytes   content of one row, to order different rows of equal hash
    store.pieces(index)         the rows of ``index`` to be sent: an array with one entry per row and, where rows differ
                                in length, a second one with what they hold, one after another
    store.rebuilt(pieces)       another store of the kind, of rows that came in pieces
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sparkdl.data.spill import Spilled


class Store(Protocol):
    """Rows of one input, target or weight."""

    def __len__(self) -> int: ...
    @property
    def row_shape(self) -> tuple[int, ...] | None: ...
    def take(self, index: NDArray[np.int64]) -> NDArray: ...
    def fold(self, hashes: NDArray[np.int64]) -> None: ...
    def content(self, row: int) -> bytes: ...
    def pieces(self, index: NDArray[np.int64]) -> tuple[NDArray, ...]: ...
    def rebuilt(self, pieces: Sequence[NDArray | Spilled]) -> Store: ...


class Dense:
    """An array (n, ...), or rows in a file."""

    def __init__(self, values: NDArray | Spilled) -> None:
        self.values = values if isinstance(values, Spilled) else np.ascontiguousarray(values)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def row_shape(self) -> tuple[int, ...]:
        return self.values.shape[1:]

    def take(self, index: NDArray[np.int64]) -> NDArray:
        return self.values.take(index, axis=0)

    def fold(self, hashes: NDArray[np.int64]) -> None:
        from sparkdl.data import rowhash

        values = self.values[:]
        if values.dtype == np.uint8:
            rowhash.fold_bytes(hashes, values)
        else:
            rowhash.fold_float32(hashes, values.astype(np.float32, copy=False))

    def content(self, row: int) -> bytes:
        return self.values[row : row + 1].tobytes()

    def pieces(self, index: NDArray[np.int64]) -> tuple[NDArray, ...]:
        return (self.take(index),)

    def rebuilt(self, pieces: Sequence[NDArray | Spilled]) -> Dense:
        return Dense(*pieces)


class Sparse:
    """Rows of a matrix in compressed form (SciPy CSR): taken out dense, hashed as if dense.

    ``entries`` (m,) are records of index and value, row i's at ``offsets[i]:offsets[i+1]``.
    """

    _CHUNK = 1 << 24  # elements made dense at once while hashing

    def __init__(self, offsets: NDArray[np.int64], entries: NDArray | Spilled, width: int) -> None:
        self.offsets, self.entries, self.width = offsets, entries, width

    @staticmethod
    def records(indices: NDArray, values: Any, dtype: Any) -> NDArray:
        """Entries of the given indices and values."""
        entries = np.empty(len(values), [("index", np.int32), ("value", dtype)])
        entries["index"], entries["value"] = indices, values
        return entries

    @classmethod
    def from_scipy(cls, matrix: Any, dtype: np.dtype) -> Sparse:
        """From any SciPy sparse matrix; duplicates are summed."""
        rows = matrix.tocsr(copy=True)
        rows.sum_duplicates()
        return cls(rows.indptr.astype(np.int64), cls.records(rows.indices, rows.data, dtype), rows.shape[1])

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def row_shape(self) -> tuple[int, ...]:
        return (self.width,)

    def take(self, index: NDArray[np.int64]) -> NDArray:
        sizes, entries = self.pieces(index)
        dense = np.zeros((len(index), self.width), self.entries.dtype["value"])
        dense[np.repeat(np.arange(len(index)), sizes[:, 0]), entries["index"]] = entries["value"]
        return dense

    def pieces(self, index: NDArray[np.int64]) -> tuple[NDArray, ...]:
        lengths = self.offsets[index + 1] - self.offsets[index]
        return np.stack([lengths, np.full_like(lengths, self.width)], axis=1), _runs(self.entries, self.offsets, index)

    def rebuilt(self, pieces: Sequence[NDArray | Spilled]) -> Sparse:
        sizes, entries = pieces
        width = int(sizes[:1][0, 1]) if len(sizes) else self.width
        return Sparse(_offsets(sizes[:][:, 0]), entries, width)

    def fold(self, hashes: NDArray[np.int64]) -> None:
        from sparkdl.data import rowhash

        step = max(1, self._CHUNK // max(self.width, 1))
        for a in range(0, len(self), step):
            rows = np.arange(a, min(a + step, len(self)))
            rowhash.fold_float32(hashes[rows[0] : rows[-1] + 1], self.take(rows).astype(np.float32, copy=False))

    def content(self, row: int) -> bytes:
        return self.take(np.array([row])).tobytes()


class Strings:
    """Strings of bytes of any length (encoded pictures, text): taken out as an object array of ``bytes``."""

    def __init__(self, data: NDArray[np.uint8] | Spilled, offsets: NDArray[np.int64]) -> None:
        self.data, self.offsets = data, offsets

    @classmethod
    def from_items(cls, items: Any) -> Strings:
        """From a sequence of ``bytes`` or ``str`` (UTF-8)."""
        parts = [item.encode() if isinstance(item, str) else bytes(item) for item in items]
        offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts], dtype=np.int64)]).astype(np.int64)
        return cls(np.frombuffer(b"".join(parts), np.uint8), offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def row_shape(self) -> tuple[int, ...] | None:
        return None

    def take(self, index: NDArray[np.int64]) -> NDArray:
        items = np.empty(len(index), object)
        for k, i in enumerate(index):
            items[k] = self.content(i)
        return items

    def fold(self, hashes: NDArray[np.int64]) -> None:
        from sparkdl.data import rowhash

        rowhash.fold_strings(hashes, self.data[:], self.offsets)

    def content(self, row: int) -> bytes:
        return self.data[self.offsets[row] : self.offsets[row + 1]].tobytes()

    def pieces(self, index: NDArray[np.int64]) -> tuple[NDArray, ...]:
        return self.offsets[index + 1] - self.offsets[index], _runs(self.data, self.offsets, index)

    def rebuilt(self, pieces: Sequence[NDArray | Spilled]) -> Strings:
        lengths, data = pieces
        return Strings(data, _offsets(lengths[:]))


class Pictures(Strings):
    """Pictures of any size, as bytes (height, width, channels): taken out as an object array of uint8 arrays."""

    def __init__(self, data: NDArray[np.uint8] | Spilled, sizes: NDArray[np.int64]) -> None:
        super().__init__(data, _offsets(sizes.prod(axis=1)))
        self.sizes = sizes

    def take(self, index: NDArray[np.int64]) -> NDArray:
        items = np.empty(len(index), object)
        for k, i in enumerate(index):
            items[k] = self.data[self.offsets[i] : self.offsets[i + 1]].reshape(self.sizes[i])
        return items

    def pieces(self, index: NDArray[np.int64]) -> tuple[NDArray, ...]:
        return self.sizes[index], _runs(self.data, self.offsets, index)

    def rebuilt(self, pieces: Sequence[NDArray | Spilled]) -> Pictures:
        sizes, data = pieces
        return Pictures(data, sizes[:])


def _offsets(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _runs(values: NDArray | Spilled, offsets: NDArray[np.int64], index: NDArray[np.int64]) -> NDArray:
    """What the rows of ``index`` hold, one after another."""
    runs = [values[a:b] for a, b in zip(offsets[index].tolist(), offsets[index + 1].tolist(), strict=True)]
    return np.concatenate(runs) if runs else np.empty((0, *values.shape[1:]), values.dtype)
