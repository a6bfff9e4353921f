"""Sums of float64 without rounding error, so that the order of adding and merging cannot matter.

A sum is kept as an array of float64 whose exact total it is: the leading 53 bits, the next 53 bits, and so on. This
form depends on the total alone. Most sums need one to three parts.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

_HALF = 27  # bits of the lower half of a mantissa; both halves add up exactly in float64 for 2**26 values


def exact_sum(values: Any) -> np.ndarray:
    """The exact sum of ``values``, float64 (parts,). With NaN or infinities among them, what IEEE addition gives."""
    v = np.asarray(values).ravel()
    if v.dtype.kind in "bui":
        return _parts(int(v.sum(dtype=object if v.dtype == np.uint64 else np.int64)), 0)
    v = v.astype(np.float64)
    v = v[v != 0]
    if not v.size:
        return np.zeros(1)
    if not np.isfinite(v).all():
        special = v[~np.isfinite(v)]
        return special[:1] if (special == special[0]).all() else np.array([math.nan])
    mantissa, exponent = np.frexp(v)
    whole, lowest = np.ldexp(mantissa, 53).astype(np.int64), int(exponent.min()) - 53
    at = exponent - exponent.min()
    high, low = np.bincount(at, whole >> _HALF), np.bincount(at, whole & ((1 << _HALF) - 1))
    used = np.flatnonzero((high != 0) | (low != 0))
    return _parts(sum(((int(high[i]) << _HALF) + int(low[i])) << int(i) for i in used), lowest)


def add(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The exact sum of two exact sums."""
    return exact_sum(np.concatenate((a, b)))


def rounded(parts: np.ndarray) -> float:
    """An exact sum as the nearest float64."""
    return math.fsum(parts)


def _parts(total: int, exponent: int) -> np.ndarray:
    """``total * 2**exponent`` cut into float64."""
    sign, rest, parts = (-1 if total < 0 else 1), abs(total), []
    while rest:
        shift = max(rest.bit_length() - 53, 0)
        try:
            parts.append(math.ldexp(sign * (rest >> shift), shift + exponent))
        except OverflowError:
            return np.array([sign * math.inf])
        rest &= (1 << shift) - 1
    return np.array(parts or [0.0])


def products(a: Any, b: Any) -> tuple[np.ndarray, np.ndarray]:
    """``a * b`` as ``rounded product, its rounding error``, exactly.  Source: Dekker (1971)."""
    a, b = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(b, np.float64))
    p, (a1, a2), (b1, b2) = a * b, _halves(a), _halves(b)
    return p, ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2


def _halves(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    c = a * (2.0**27 + 1)
    high = c - (c - a)
    return high, a - high


def exact_bins(index: np.ndarray, values: Any, bins: int) -> np.ndarray:
    """Exact sums of ``values`` (or of 1 each) by bin, float64 (parts, bins): column b is the exact sum of bin b."""
    index = np.asarray(index).ravel()
    if values is None or (values := np.asarray(values).ravel()).dtype == bool:
        return np.bincount(index, values, bins)[None].astype(np.float64)
    order = np.argsort(index, kind="stable")
    cuts = np.searchsorted(index[order], np.arange(bins + 1))
    sorted_values = np.asarray(values, np.float64)[order]
    return _columns([exact_sum(sorted_values[a:b]) for a, b in zip(cuts, cuts[1:], strict=False)])


def add_bins(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The exact sum of two results of `exact_bins`."""
    both = np.concatenate((a, b))
    total = both.sum(0)
    if (both == np.floor(both)).all() and np.abs(total).max(initial=0) < 2**53:  # float64 adds whole numbers exactly
        return total[None]
    return _columns([exact_sum(column) for column in both.T])


def _columns(sums: list[np.ndarray]) -> np.ndarray:
    out = np.zeros((max((len(s) for s in sums), default=1), len(sums)))
    for i, s in enumerate(sums):
        out[: len(s), i] = s
    return out
