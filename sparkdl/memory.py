"""Large arrays whose memory is used again as soon as nobody holds them.

Fresh memory from the system costs more than most kernels that write it: every page has to be found and cleared first.
Blocks of some sizes are therefore kept when the last array on them is gone, half as much again as was ever in use at
once, and one of up to twice the size that is asked for will do: else the sizes of one part of a step would keep out
those of another, which then come fresh from the system in every step.
"""

from __future__ import annotations

import os
import threading
from math import prod
from typing import Any

import numpy as np

_LEAST = 1 << 18  # bytes: the C library serves smaller ones well
_POISON = os.environ.get("SPARKDL_POISON") == "1"  # for finding faults: what nobody holds any more becomes NaN


class _Pool:
    """Free blocks by size; counts what is lent and what is free."""

    def __init__(self) -> None:
        self.lock = threading.RLock()  # a block may come back in the middle of anything, also of ``take``
        self.free: dict[int, list[np.ndarray]] = {}
        self.lent = self.most = self.idle = 0

    def take(self, size: int) -> tuple[np.ndarray, int]:
        """A block, and its size: ``size`` or up to twice that."""
        with self.lock:
            found = min((each for each in self.free if size <= each <= 2 * size and self.free[each]), default=0)
            self.lent += found or size
            self.most = max(self.most, self.lent)
            if found:
                self.idle -= found
                return self.free[found].pop(), found
        return np.empty(size + 64, np.uint8), size

    def give(self, raw: np.ndarray, size: int) -> None:
        if _POISON:
            raw.fill(0xFF)
        with self.lock:
            self.lent -= size
            if self.idle + size <= self.most * 3 // 2:
                self.free.setdefault(size, []).append(raw)
                self.idle += size

    def clear(self) -> None:
        """Gives all free blocks back to the system."""
        with self.lock:
            self.free.clear()
            self.idle, self.most = 0, self.lent


pool = _Pool()

# Kernels ask the C library for scratch memory. What is larger than its limit it fetches from the system and gives back
# each time: 128 KiB at first, then the largest block that was given back, up to 32 MiB (man mallopt, M_MMAP_THRESHOLD).
# This block is never touched.
np.empty((32 << 20) - (64 << 10), np.uint8)


class _Block:
    """What an array on a block has as its base: when it goes, so has every view."""

    __slots__ = ("raw", "size", "__array_interface__")

    def __init__(self, size: int) -> None:
        self.raw, self.size = pool.take(size)
        start = self.raw.ctypes.data
        start += -start % 64
        self.__array_interface__ = {"version": 3, "shape": (size,), "typestr": "|u1", "data": (start, False)}

    def __del__(self) -> None:
        pool.give(self.raw, self.size)


def empty(shape: tuple[int, ...], dtype: Any = np.float32) -> np.ndarray:
    """An array with anything in it, as ``np.empty``; large ones start on a cache line."""
    dtype = np.dtype(dtype)
    nbytes = prod(shape) * dtype.itemsize
    if nbytes < _LEAST:
        return np.empty(shape, dtype)
    step = 1 << (nbytes.bit_length() - 4)  # sizes in steps of an eighth at most, so that they meet again
    block = np.asarray(_Block(-(-nbytes // step) * step))
    return block[:nbytes].view(dtype).reshape(shape)


def zeros(shape: tuple[int, ...], dtype: Any = np.float32) -> np.ndarray:
    """An array of zeros that starts on a cache line, in memory of its own that is not used again."""
    dtype = np.dtype(dtype)
    nbytes = prod(shape) * dtype.itemsize
    raw = np.zeros(nbytes + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + nbytes].view(dtype).reshape(shape)
