"""A square of zeros in each picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparkdl.data.transforms.compose import Draw
from sparkdl.data.transforms.pictures import pictures, stacked


class Cutout:
    """Sets a square of side ``size``, centred on a uniformly random pixel (parts may lie outside), to ``value``.

    Source: DeVries & Taylor (2017), section 3.
    """

    def __init__(self, size: int, value: float = 0) -> None:
        if not size >= 1:
            raise ValueError(f"Cutout: size must be at least 1, got {size!r}.")
        self.size, self.value = size, value

    def __call__(self, x: NDArray, draw: Draw) -> NDArray:
        x = pictures(x, self)
        if not draw.training:
            return x
        items = [np.array(picture) for picture in x]
        for picture, u in zip(items, draw.uniform(2), strict=True):
            top, left = (int(v * side) - self.size // 2 for v, side in zip(u, picture.shape, strict=False))
            picture[max(top, 0) : max(top + self.size, 0), max(left, 0) : max(left + self.size, 0)] = self.value
        return stacked(items)

    def __repr__(self) -> str:
        return f"Cutout({self.size}, value={self.value})"
