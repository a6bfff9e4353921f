"""Pictures with mean 0 and deviation 1 per channel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sparkdl.data.transforms.compose import Draw
from sparkdl.data.transforms.pictures import pictures, stacked


class Normalize:
    """``y = (x - mean) / std`` per channel, float32; bytes are divided by 255 first, so mean and std are of 0 to 1."""

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float]) -> None:
        self.mean, self.std = (np.atleast_1d(np.asarray(values, np.float32)) for values in (mean, std))
        if not (self.std > 0).all():
            raise ValueError(f"Normalize: std must be > 0, got {std!r}.")

    def __call__(self, x: NDArray, draw: Draw) -> NDArray:
        x = pictures(x, self)
        return stacked([self._normal(image) for image in x]) if x.dtype == object else self._normal(x)

    def _normal(self, x: NDArray) -> NDArray[np.float32]:
        y = x.astype(np.float32)
        if x.dtype == np.uint8:
            y /= np.float32(255)
        y -= self.mean
        y /= self.std
        return y

    def __repr__(self) -> str:
        return f"Normalize({self.mean.tolist()}, {self.std.tolist()})"
