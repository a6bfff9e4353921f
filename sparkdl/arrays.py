"""Small helpers on arrays that every floor may use."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparkdl import memory
from sparkdl.errors import ShapeError

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def as_model_input(x: Any, dtype: np.dtype) -> np.ndarray:
    """``x`` as an array that a model of ``dtype`` takes: floats in that dtype, whole numbers and bytes as they are."""
    x = np.asarray(x)
    if x.dtype == dtype or x.dtype.kind in "iu":
        return x
    if x.dtype.kind in "fb":
        return x.astype(dtype)
    raise ShapeError(f"a model takes arrays of numbers, got dtype {x.dtype}; convert the column first.")


def empty_like_layout(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Fresh memory; 4-D shapes (batch, channels, height, width) lie channels-last in memory."""
    if len(shape) == 4:
        n, c, h, w = shape
        return memory.empty((n, h, w, c), dtype).transpose(0, 3, 1, 2)
    return memory.empty(shape, dtype)
