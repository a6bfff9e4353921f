"""Matrix products of factors in bfloat16: half the bytes and, on CPUs that have the instruction, twice the speed.

Factors are rounded to the 8 bits of bfloat16 (to nearest, ties to even); products are exact and sums are float32, each
in its order, as ever. A CPU with AVX512_BF16 multiplies two neighbours along the sum at once: they stand in one word of
32 bits, the first in its upper half, since that one is added first. Elsewhere the rounded factors go through the kernels
of float32, with the same bits (but for sums below 1e-38, which the instruction makes zero).

    with using(BFLOAT16): ...    products of this thread take factors in bfloat16
    columns(x), rows(w)          the same for pixels (..., inner) and the weights of their channels (..., inner, out)
    factors(a, b)                a (rows, inner) and b (inner, columns) as the kernels take them
    stacked(x, dy, bounds)       x and dy (rows, n), to be summed over rows leaf by leaf, and the bounds of their words
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from functools import cache

import numpy as np

from sparkdl import memory
from sparkdl.kernel import isa, njit, num_threads, numba
from sparkdl.nn.kernels import microkernel, tree_tile

prange = numba().prange
FLOAT32, BFLOAT16 = "float32", "bfloat16"
WORD = np.dtype(np.uint32)  # what two neighbours stand in
_state = threading.local()


@contextlib.contextmanager
def using(compute: str) -> Iterator[None]:
    """In which type the factors of this thread's products are."""
    before = getattr(_state, "compute", FLOAT32)
    _state.compute = compute
    try:
        yield
    finally:
        _state.compute = before


def wanted(dtype: np.dtype) -> bool:
    """Whether factors of ``dtype`` are to be rounded."""
    return dtype == np.float32 and getattr(_state, "compute", FLOAT32) == BFLOAT16


@cache
def in_hardware() -> bool:
    """Whether this CPU multiplies words; makes the kernels that do so known."""
    import llvmlite.binding as llvm

    if isa() != "avx512" or not llvm.get_host_cpu_features().get("avx512bf16"):
        return False
    microkernel.symbols("bf16")
    tree_tile.load("bf16")
    return True


def factors(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The factors of ``a b``: in words with half the inner length, else rounded."""
    if not in_hardware():
        return _rounded(a), _rounded(b)
    return _words(a, 1), _words(b, 0)


def stacked(x: np.ndarray, dy: np.ndarray, bounds: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The factors of ``x^T dy``, whose words never reach over the end of a leaf, and the bounds in these."""
    if not in_hardware():
        return _rounded(x), _rounded(dy), bounds
    ends = np.concatenate([[0], np.cumsum((np.diff(bounds) + 1) // 2)])
    return _down(x, bounds, ends), _down(dy, bounds, ends), ends


def columns(x: np.ndarray) -> np.ndarray:
    """``x`` (..., n), n even, with neighbours along its last axis in one word, or rounded."""
    flat = np.ascontiguousarray(x).reshape(-1, x.shape[-1])
    made = _words(flat, 1) if in_hardware() else _rounded(flat)
    return made.reshape(*x.shape[:-1], made.shape[1])


def rows(w: np.ndarray) -> np.ndarray:
    """``w`` (..., n, m), n even, with neighbours along its axis before the last in one word, or rounded."""
    flat = w.reshape(-1, w.shape[-1])
    made = _words(flat, 0) if in_hardware() else _rounded(flat)
    return made.reshape(*w.shape[:-2], -1, w.shape[-1])


def _words(x: np.ndarray, axis: int) -> np.ndarray:
    """Neighbours along ``axis`` in one word; made along the axis that lies together in memory."""
    if x.strides[0] == x.itemsize and x.strides[1] != x.itemsize:
        return _words(x.T, 1 - axis).T
    if axis == 0:
        whole = np.array([0, len(x)])
        return _down(x, whole, (whole + 1) // 2)
    words = memory.empty((len(x), (x.shape[1] + 1) // 2), WORD)
    _pair_across(words, x.view(WORD), _parts(x))
    return words


def _down(x: np.ndarray, bounds: np.ndarray, ends: np.ndarray) -> np.ndarray:
    words = memory.empty((int(ends[-1]), x.shape[1]), WORD)
    _pair_down(words, x.view(WORD), bounds, ends, _parts(x))
    return words


def _rounded(x: np.ndarray) -> np.ndarray:
    rounded = memory.empty(x.shape, WORD)
    _round(rounded, x.view(WORD), _parts(x))
    return rounded.view(np.float32)


def _parts(x: np.ndarray) -> int:
    return max(1, min(num_threads(), len(x), x.size >> 14))


@njit(inline="always")
def _upper(bits):
    """The 16 bits of bfloat16 nearest to a float32, in the upper half; a NaN stays one."""
    if bits & np.uint32(0x7FFFFFFF) > np.uint32(0x7F800000):
        return (bits | np.uint32(0x400000)) & np.uint32(0xFFFF0000)
    return (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) & np.uint32(0xFFFF0000)


@njit(parallel=True)
def _round(to, x, parts):
    for part in prange(parts):
        for r in range(part * len(x) // parts, (part + 1) * len(x) // parts):
            for c in range(x.shape[1]):
                to[r, c] = _upper(x[r, c])


@njit(parallel=True)
def _pair_across(words, x, parts):
    half = x.shape[1] // 2
    for part in prange(parts):
        for r in range(part * len(x) // parts, (part + 1) * len(x) // parts):
            for i in range(half):
                words[r, i] = _upper(x[r, 2 * i]) | (_upper(x[r, 2 * i + 1]) >> np.uint32(16))
            if half < words.shape[1]:
                words[r, half] = _upper(x[r, 2 * half])


@njit(parallel=True)
def _pair_down(words, x, bounds, ends, parts):
    """Words of each leaf's rows; the last word of an odd one is filled up with zero."""
    for part in prange(parts):
        first, stop = part * len(words) // parts, (part + 1) * len(words) // parts
        leaf = 0
        for w in range(first, stop):
            while ends[leaf + 1] <= w:
                leaf += 1
            r = bounds[leaf] + 2 * (w - ends[leaf])
            if r + 1 < bounds[leaf + 1]:
                for c in range(x.shape[1]):
                    words[w, c] = _upper(x[r, c]) | (_upper(x[r + 1, c]) >> np.uint32(16))
            else:
                for c in range(x.shape[1]):
                    words[w, c] = _upper(x[r, c])
