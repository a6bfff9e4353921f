"""Stored columns of a feed: what is kept per row, and how rows are taken out for a batch.

    len(store)                  rows
    store.row_shape             shape of one row; None for strings of bytes
    store.take(index)           the rows of ``index`` as a fresh array (k, ...), C order
    store.fold(hashes)          fold every row's canonical content into ``hashes`` (see ``rowhash``)
    store.content(i) -> bytes   content of one row, to order different rows of equal hash
"""

from __future__ import annotations

import mmap
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Store(Protocol):
    """Rows of one input, target or weight."""

    def __len__(self) -> int: ...
    @property
    def row_shape(self) -> tuple[int, ...] | None: ...
    def take(self, index: NDArray[np.int64]) -> NDArray: ...
    def fold(self, hashes: NDArray[np.int64]) -> None: ...
    def content(self, row: int) -> bytes: ...


class Dense:
    """An array (n, ...), possibly mapped from a file: then its pages are given back after every ``window`` bytes."""

    _AROUND = 1 << 16  # bytes that the system may map around each row that is touched

    def __init__(self, values: NDArray, mapping: mmap.mmap | None = None, window: int = 1 << 26) -> None:
        self.values = np.ascontiguousarray(values)
        self._mapping, self._window, self._touched = mapping, window, 0

    def __len__(self) -> int:
        return len(self.values)

    @property
    def row_shape(self) -> tuple[int, ...]:
        return self.values.shape[1:]

    def take(self, index: NDArray[np.int64]) -> NDArray:
        taken = self.values.take(index, axis=0)
        if self._mapping is not None:
            self._touched += taken.nbytes + len(index) * self._AROUND
            if self._touched > self._window:
                self._mapping.madvise(mmap.MADV_DONTNEED)
                self._touched = 0
        return taken

    def fold(self, hashes: NDArray[np.int64]) -> None:
        from sparkdl.data import rowhash

        if self.values.dtype == np.uint8:
            rowhash.fold_bytes(hashes, self.values)
        else:
            rowhash.fold_float32(hashes, self.values.astype(np.float32, copy=False))

    def content(self, row: int) -> bytes:
        return self.values[row].tobytes()


class Sparse:
    """Rows of a matrix in compressed form (SciPy CSR): taken out dense, hashed as if dense."""

    _CHUNK = 1 << 24  # elements made dense at once while hashing

    def __init__(self, indptr: NDArray, indices: NDArray, values: NDArray, width: int) -> None:
        self.indptr, self.indices, self.values, self.width = indptr, indices, values, width

    @classmethod
    def from_scipy(cls, matrix: Any, dtype: np.dtype) -> Sparse:
        """From any SciPy sparse matrix; duplicates are summed."""
        rows = matrix.tocsr(copy=True)
        rows.sum_duplicates()
        return cls(rows.indptr.astype(np.int64), rows.indices, rows.data.astype(dtype), rows.shape[1])

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @property
    def row_shape(self) -> tuple[int, ...]:
        return (self.width,)

    def take(self, index: NDArray[np.int64]) -> NDArray:
        starts, lengths = self.indptr[index], self.indptr[index + 1] - self.indptr[index]
        ends = np.cumsum(lengths)
        total = int(ends[-1]) if len(ends) else 0
        at = np.arange(total) + np.repeat(starts - (ends - lengths), lengths)
        dense = np.zeros((len(index), self.width), self.values.dtype)
        dense[np.repeat(np.arange(len(index)), lengths), self.indices[at]] = self.values[at]
        return dense

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

    def __init__(self, data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> None:
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

        rowhash.fold_strings(hashes, self.data, self.offsets)

    def content(self, row: int) -> bytes:
        return self.data[self.offsets[row] : self.offsets[row + 1]].tobytes()


class Pictures(Strings):
    """Pictures of any size, as bytes (height, width, channels): taken out as an object array of uint8 arrays."""

    def __init__(self, data: NDArray[np.uint8], sizes: NDArray[np.int64]) -> None:
        super().__init__(data, np.concatenate([[0], np.cumsum(sizes.prod(axis=1))]).astype(np.int64))
        self.sizes = sizes

    def take(self, index: NDArray[np.int64]) -> NDArray:
        items = np.empty(len(index), object)
        for k, i in enumerate(index):
            items[k] = self.data[self.offsets[i] : self.offsets[i + 1]].reshape(self.sizes[i])
        return items
