"""Batches of pictures: of one size (one array), or of several (an object array of arrays)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparkdl.errors import DataError


def pictures(x: NDArray, step: Any) -> NDArray:
    """``x`` as (batch, height, width, channels), or as an object array of (height, width, channels)."""
    if x.dtype == object:
        if len(x) and not isinstance(x[0], np.ndarray):
            raise DataError(f"{step!r} takes pictures, got {type(x[0]).__name__}; put Decode() before it.")
        return x
    if x.ndim == 3:
        return x[..., None]
    if x.ndim != 4:
        wanted = "pictures (batch, height, width, channels)"
        raise DataError(f"{step!r} takes {wanted}, got {x.shape}; give the column a shape.")
    return x


def stacked(items: Sequence[NDArray]) -> NDArray:
    """One array if all pictures have one size, else an object array."""
    if items and all(item.shape == items[0].shape and item.dtype == items[0].dtype for item in items):
        return np.stack(items)
    x = np.empty(len(items), object)
    for i, item in enumerate(items):
        x[i] = item
    return x


def pair(size: int | tuple[int, int], step: str) -> tuple[int, int]:
    """``size`` as (height, width)."""
    both = (size, size) if isinstance(size, int) else tuple(size)
    if len(both) != 2 or not min(both) >= 1:
        raise ValueError(f"{step}: size must be a number or (height, width), each at least 1, got {size!r}.")
    return both


def resized(picture: NDArray, size: tuple[int, int], box: tuple[float, float, float, float] | None = None) -> NDArray:
    """The picture, or its part ``box`` (left, top, right, bottom), at ``size`` (height, width), bilinear.

    Smoothed when it becomes smaller (Pillow's reducing filter).
    """
    from PIL import Image

    to = (size[1], size[0])
    if picture.dtype == np.uint8 and picture.shape[2] in (1, 3, 4):
        flat = picture[..., 0] if picture.shape[2] == 1 else picture
        done = np.asarray(Image.fromarray(np.ascontiguousarray(flat)).resize(to, Image.Resampling.BILINEAR, box))
        return done.reshape(*size, -1)
    planes = [
        np.asarray(Image.fromarray(plane.astype(np.float32)).resize(to, Image.Resampling.BILINEAR, box))
        for plane in np.moveaxis(picture, 2, 0)
    ]
    done = np.stack(planes, axis=2)
    return np.rint(done).astype(np.uint8) if picture.dtype == np.uint8 else done.astype(picture.dtype)
