"""Padding with values of the picture itself: mirrored, repeated or continued."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.layers.layout import last

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


def filled(layer: Any, x: np.ndarray, pads: tuple[tuple[int, int], ...], mode: str) -> np.ndarray:
    """``(batch, channels, *places)`` with ``pads`` (before, after) places more per axis; it lies channels-last."""
    v = np.ascontiguousarray(last(x))
    for axis, (before, after) in enumerate(pads, start=1):
        v = v.take(_origins(layer, v.shape[axis], before, after, mode), axis)
    return np.moveaxis(v, -1, 1)


def filled_gradient(
    layer: Any, dy: np.ndarray, places: tuple[int, ...], pads: tuple[tuple[int, int], ...], mode: str
) -> np.ndarray:
    """The gradient of a picture of ``places``: that of each place plus those of its copies."""
    g = np.ascontiguousarray(last(dy))
    for axis in reversed(range(1, g.ndim - 1)):
        dx = np.zeros((*g.shape[:axis], places[axis - 1], *g.shape[axis + 1 :]), g.dtype)
        target, source = np.moveaxis(dx, axis, 0), np.moveaxis(g, axis, 0)
        for i, place in enumerate(_origins(layer, places[axis - 1], *pads[axis - 1], mode)):
            target[place] += source[i]
        g = dx
    return np.moveaxis(g, -1, 1)


def _origins(layer: Any, n: int, before: int, after: int, mode: str) -> np.ndarray:
    """Of which of ``n`` places each place of the padded axis is a copy."""
    i = np.arange(-before, n + after)
    if mode == "reflect":
        if max(before, after) >= n:
            raise ShapeError(f"{layer!r}: {n} places can be mirrored at most {n - 1} wide.")
        i = np.abs(i)
        return np.where(i >= n, 2 * (n - 1) - i, i)
    if mode == "replicate":
        return np.clip(i, 0, n - 1)
    if max(before, after) > n:
        raise ShapeError(f"{layer!r}: {n} places can be continued at most {n} wide.")
    return i % n
