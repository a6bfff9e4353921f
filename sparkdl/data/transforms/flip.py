"""Mirrored pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparkdl.data.transforms.compose import Draw
from sparkdl.data.transforms.pictures import pictures, stacked


class RandomFlip:
    """Mirrors left and right (``axis="width"``) or top and bottom (``"height"``) with probability ``p``."""

    def __init__(self, p: float = 0.5, axis: str = "width") -> None:
        if not 0 <= p <= 1 or axis not in ("width", "height"):
            raise ValueError(f'RandomFlip: expected 0 <= p <= 1 and axis "width" or "height", got {p!r} and {axis!r}.')
        self.p, self.axis = p, axis

    def __call__(self, x: NDArray, draw: Draw) -> NDArray:
        x = pictures(x, self)
        if not draw.training:
            return x
        chosen, axis = draw.uniform() < self.p, 1 if self.axis == "width" else 0
        if x.dtype == object:
            return stacked([np.flip(image, axis) if yes else image for image, yes in zip(x, chosen, strict=True)])
        return np.where(chosen[:, None, None, None], np.flip(x, axis + 1), x)

    def __repr__(self) -> str:
        return f"RandomFlip({self.p}, axis={self.axis!r})"
