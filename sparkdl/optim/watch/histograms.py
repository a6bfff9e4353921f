"""Histograms over fixed bins: those of parts add up to that of the whole, and counting needs no look at the range.

A bin is a quarter of an octave: the exponent and the two highest bits of the mantissa of a float32, for either sign,
from 2**-36 to 2**8. What is smaller counts as zero, what is larger or not finite in the outermost bins.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

SMALLEST, LARGEST = -36, 8  # exponents of two
PER_OCTAVE = 4
HALF = (LARGEST - SMALLEST) * PER_OCTAVE + 1  # bins of one sign, zero's aside
BINS = 2 * HALF + 1
SAMPLE = 1 << 14  # elements of a parameter that are looked at, evenly spread: a larger one is not counted whole
GROUPS = 16  # most groups that are counted

_FIRST = (127 + SMALLEST) * PER_OCTAVE  # a float's exponent and mantissa bits, of the smallest bin


class Histogram(NamedTuple):
    """``counts`` (BINS,) of the bins between ``EDGES`` (BINS + 1,)."""

    counts: np.ndarray

    def quantiles(self, shares: Sequence[float]) -> list[float]:
        """Values below which these shares lie, interpolated within bins; NaN for none at all."""
        total = self.counts.sum()
        if not total:
            return [float("nan")] * len(shares)
        below = np.concatenate([[0], np.cumsum(self.counts)]) / total
        filled = np.flatnonzero(self.counts)
        a, b = filled[0], filled[-1] + 2
        return [float(v) for v in np.interp(shares, below[a:b], EDGES[a:b])]

    def rebinned(self, bins: int) -> tuple[float, float, list[float]]:
        """``(low, high, counts)`` over ``bins`` bins of equal width that hold all but the outermost 0.1 % per side."""
        low, high = self.quantiles((0.001, 0.999))
        if not low < high:
            return low, high, []
        grid = np.linspace(low, high, bins + 1)
        below = np.interp(grid, EDGES, np.concatenate([[0], np.cumsum(self.counts)]))
        return low, high, [float(v) for v in np.diff(below)]


def _edges() -> np.ndarray:
    octaves = np.arange(SMALLEST, LARGEST)[:, None]
    up = (2.0**octaves * (1 + np.arange(PER_OCTAVE) / PER_OCTAVE)).ravel()
    up = np.concatenate([up, [2.0**LARGEST, 2.0 ** (LARGEST + 1)]])  # the last bin is open: drawn an octave wide
    return np.concatenate([-up[::-1], up])


EDGES = _edges()


def count(values: np.ndarray, every: int = 1) -> np.ndarray:
    """``(BINS,)`` int64 counts of every ``every``-th value of a vector."""
    bits = np.ascontiguousarray(values[::every], np.float32).view(np.uint32)
    size = ((bits & 0x7FFFFFFF) >> 21).astype(np.int64) - (_FIRST - 1)
    np.clip(size, 0, HALF, out=size)
    return np.bincount(np.where(bits >> 31, HALF - size, HALF + size), minlength=BINS)


class Groups:
    """Parameters in at most ``most`` groups: alone, by the outermost parts of their names, or neighbours together."""

    def __init__(self, names: Sequence[str], most: int = GROUPS) -> None:
        self.names, self.of = self._grouped(list(names), most)

    def _grouped(self, names: list[str], most: int) -> tuple[list[str], list[int]]:
        for depth in range(max((name.count(".") for name in names), default=0) + 1, 0, -1):
            short = [".".join(name.split(".")[:depth]) for name in names]
            groups = list(dict.fromkeys(short))
            if len(groups) <= most:
                return groups, [groups.index(name) for name in short]
        place = [groups.index(name) * most // len(groups) for name in short]
        ends = [[groups[i] for i in range(len(groups)) if i * most // len(groups) == j] for j in range(most)]
        return [f"{part[0]} to {part[-1]}" if len(part) > 1 else part[0] for part in ends], place


class Count:
    """Counts the weights and gradients of ``segments``, or what of them lies in the slice of this owner.

    ``weights`` are whole in every task, gradients are where they are owned: the tasks' counts add up to all.
    """

    def __init__(self, segments: Iterable[Any]) -> None:
        self.segments = list(segments)
        self.groups = Groups([segment.name for segment in self.segments])

    def __call__(self, values: np.ndarray, start: int = 0) -> np.ndarray:
        """``(groups, BINS)`` int32; ``values`` is the flat vector from element ``start`` on."""
        counts = np.zeros((len(self.groups.names), BINS), np.int32)
        for segment, group in zip(self.segments, self.groups.of, strict=True):
            part = values[max(segment.start - start, 0) : max(segment.stop - start, 0)]
            if part.size:
                counts[group] += count(part, -(-(segment.stop - segment.start) // SAMPLE)).astype(np.int32)
        return counts

    def pack(self, step: int, weights: np.ndarray, gradients: np.ndarray) -> dict[str, Any]:
        """Plain JSON, small enough for a note to the driver."""
        data = zlib.compress(np.stack([weights, gradients]).astype("<i4").tobytes(), 9)
        return {"step": step, "names": self.groups.names, "counts": base64.b64encode(data).decode()}


def unpack(packed: Mapping[str, Any]) -> dict[str, tuple[Histogram, Histogram]]:
    """``{group: (weights, gradients)}`` of what `Count.pack` made."""
    raw = np.frombuffer(zlib.decompress(base64.b64decode(packed["counts"])), "<i4")
    weights, gradients = raw.reshape(2, len(packed["names"]), BINS).astype(np.int64)
    return {n: (Histogram(weights[i]), Histogram(gradients[i])) for i, n in enumerate(packed["names"])}
