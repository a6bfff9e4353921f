"""Channels first or last at a layer's edge, by ``data_format``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

FORMATS = ("NCHW", "NHWC")


def check_format(layer: Any, value: str) -> str:
    """``value``, if it is ``"NCHW"``, (batch, channels, *places), or ``"NHWC"``, (batch, *places, channels)."""
    if value not in FORMATS:
        raise ValueError(f"{type(layer).__name__}: data_format must be one of {FORMATS}, got {value!r}.")
    return value


def last(x: np.ndarray) -> np.ndarray:
    """``(batch, channels, *places)`` seen as ``(batch, *places, channels)``."""
    return x if x.ndim < 3 else x.transpose(0, *range(2, x.ndim), 1)


def first(x: np.ndarray) -> np.ndarray:
    """``(batch, *places, channels)`` seen as ``(batch, channels, *places)``."""
    return x if x.ndim < 3 else x.transpose(0, x.ndim - 1, *range(1, x.ndim - 1))


def either_layout(method: Callable[..., Any]) -> Callable[..., Any]:
    """A forward or backward of (batch, channels, *places) that also serves a layer whose ``data_format`` is ``"NHWC"``.

    Nothing is copied: what the library's layers make lies channels-last in memory anyway.
    """

    @functools.wraps(method)
    def either(self: Any, x: np.ndarray, ctx: Any) -> Any:
        if self.data_format == "NCHW":
            return method(self, x, ctx=ctx)
        y = method(self, first(x), ctx=ctx)
        return None if y is None else last(y)

    return either


def shown(layer: Any, shape: tuple[int, ...], channels: Any, places: str) -> tuple[str, tuple[int, ...]]:
    """What ``layer`` takes, and what it got (seen channels first), as they look from outside, for messages."""
    if getattr(layer, "data_format", "NCHW") == "NCHW":
        return f"(batch, {channels}, {places})", shape
    return f"(batch, {places}, {channels})", shape if len(shape) < 3 else (shape[0], *shape[2:], shape[1])
