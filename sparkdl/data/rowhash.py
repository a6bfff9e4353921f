"""64-bit hash of a row's content: Spark's ``xxhash64`` (XXH64 chained over columns, seed 42), bit for bit.

A row's place in the order of a run is its hash, so that arrays here and a DataFrame there are ordered alike. Columns
are hashed in canonical types, and Spark is asked to cast to the same ones (``frame``):

    numbers                float32, element by element      cast(c as float), cast(c as array<float>)
    bytes (uint8 arrays)   as one string of bytes           binary column as it is
    ``order_by``           int64, float64 or UTF-8 text     cast(c as bigint), cast(c as double), string

so that labels kept as int, double or decimal hash alike. (Whole numbers above 2**24 may share a hash; a feed orders
rows of equal hash by their content.)

Like Spark, -0.0 counts as 0.0 and every NaN as one NaN. Each function folds a column into ``hashes`` (n,) in place;
start from ``new_hashes(n)``.

Source: XXH64 by Y. Collet (specification 0.1.1, section "XXH64 algorithm"); Spark chains columns and array elements by
using each hash as the next one's seed.
"""

from __future__ import annotations

import numpy as np
from numba import prange
from numpy.typing import NDArray

from sparkdl.kernel import njit

_P1 = np.uint64(0x9E3779B185EBCA87)
_P2 = np.uint64(0xC2B2AE3D27D4EB4F)
_P3 = np.uint64(0x165667B19E3779F9)
_P4 = np.uint64(0x85EBCA77C2B2AE63)
_P5 = np.uint64(0x27D4EB2F165667C5)
_U1, _U4, _U7, _U8, _U11, _U12, _U18, _U23, _U27, _U29, _U31, _U32, _U33, _U64 = (
    np.uint64(i) for i in (1, 4, 7, 8, 11, 12, 18, 23, 27, 29, 31, 32, 33, 64)
)


def new_hashes(rows: int) -> NDArray[np.int64]:
    """Hashes of rows without columns: the seed."""
    return np.full(rows, 42, np.int64)


def fold_float32(hashes: NDArray[np.int64], values: NDArray[np.float32]) -> None:
    """Fold float32 ``values`` (n, ...) into ``hashes``."""
    _fold_words32(hashes.view(np.uint64), _flat(values, np.float32).view(np.uint32))


def fold_float64(hashes: NDArray[np.int64], values: NDArray[np.float64]) -> None:
    """Fold float64 ``values`` (n, ...) into ``hashes``."""
    bits = _flat(values, np.float64).view(np.uint64)
    zero, nan = np.uint64(1 << 63), np.uint64(0x7FF0000000000000)
    bits = np.where(bits == zero, np.uint64(0), np.where(bits & ~zero > nan, np.uint64(0x7FF8000000000000), bits))
    _fold_words64(hashes.view(np.uint64), bits)


def fold_int64(hashes: NDArray[np.int64], values: NDArray[np.int64]) -> None:
    """Fold int64 ``values`` (n, ...) into ``hashes``."""
    _fold_words64(hashes.view(np.uint64), _flat(values, np.int64).view(np.uint64))


def fold_bytes(hashes: NDArray[np.int64], values: NDArray[np.uint8]) -> None:
    """Fold uint8 ``values`` (n, ...), each row one string of bytes, into ``hashes``."""
    flat = _flat(values, np.uint8)
    fold_strings(hashes, flat.reshape(-1), np.arange(len(flat) + 1, dtype=np.int64) * flat.shape[1])


def fold_strings(hashes: NDArray[np.int64], data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> None:
    """Fold strings of bytes, row i being ``data[offsets[i]:offsets[i+1]]``, into ``hashes``."""
    _fold_strings(hashes.view(np.uint64), data, offsets)


def _flat(values: NDArray, dtype: type) -> NDArray:
    return np.ascontiguousarray(values, dtype).reshape(len(values), int(np.prod(values.shape[1:])))


@njit(inline="always")
def _rotate(x, by):
    return (x << by) | (x >> (_U64 - by))


@njit(inline="always")
def _finish(h):
    h = (h ^ (h >> _U33)) * _P2
    h = (h ^ (h >> _U29)) * _P3
    return h ^ (h >> _U32)


@njit(inline="always")
def _word64(h, k):
    return _rotate(h ^ (_rotate(k * _P2, _U31) * _P1), _U27) * _P1 + _P4


@njit(inline="always")
def _word32(h, k):
    return _rotate(h ^ (k * _P1), _U23) * _P2 + _P3


@njit(inline="always")
def _lane(v, k):
    return _rotate(v + k * _P2, _U31) * _P1


@njit(inline="always")
def _merge(h, v):
    return (h ^ _lane(np.uint64(0), v)) * _P1 + _P4


@njit(parallel=True)
def _fold_words32(hashes, bits):
    for i in prange(bits.shape[0]):
        h = hashes[i]
        for j in range(bits.shape[1]):
            b = bits[i, j]
            if b == np.uint32(0x80000000):
                b = np.uint32(0)
            elif (b & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000):
                b = np.uint32(0x7FC00000)
            h = _finish(_word32(h + _P5 + _U4, np.uint64(b)))
        hashes[i] = h


@njit(parallel=True)
def _fold_words64(hashes, bits):
    for i in prange(bits.shape[0]):
        h = hashes[i]
        for j in range(bits.shape[1]):
            h = _finish(_word64(h + _P5 + _U8, bits[i, j]))
        hashes[i] = h


@njit(inline="always")
def _load(data, at, size):
    word = np.uint64(0)
    for b in range(size):
        word |= np.uint64(data[at + b]) << (_U8 * np.uint64(b))
    return word


@njit(parallel=True)
def _fold_strings(hashes, data, offsets):
    for i in prange(hashes.shape[0]):
        at, end = offsets[i], offsets[i + 1]
        length = np.uint64(end - at)
        h = hashes[i]
        if end - at >= 32:
            a, b, c, d = h + _P1 + _P2, h + _P2, h, h - _P1
            while at <= end - 32:
                a = _lane(a, _load(data, at, 8))
                b = _lane(b, _load(data, at + 8, 8))
                c = _lane(c, _load(data, at + 16, 8))
                d = _lane(d, _load(data, at + 24, 8))
                at += 32
            h = _rotate(a, _U1) + _rotate(b, _U7) + _rotate(c, _U12) + _rotate(d, _U18)
            h = _merge(_merge(_merge(_merge(h, a), b), c), d)
        else:
            h = h + _P5
        h += length
        while at <= end - 8:
            h = _word64(h, _load(data, at, 8))
            at += 8
        if at <= end - 4:
            h = _word32(h, _load(data, at, 4))
            at += 4
        while at < end:
            h = _rotate(h ^ (np.uint64(data[at]) * _P5), _U11) * _P1
            at += 1
        hashes[i] = _finish(h)
