"""Pictures with channels first or last."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparkdl.data.transforms.compose import Draw
from sparkdl.data.transforms.pictures import pictures
from sparkdl.errors import DataError


class ChannelsFirst:
    """(batch, height, width, channels) to (batch, channels, height, width), a view: what the library's layers take."""

    def __call__(self, x: NDArray, draw: Draw) -> NDArray:
        x = pictures(x, self)
        if x.dtype == object:
            raise DataError(f"{self!r}: the pictures of a batch differ in size; put Resize or a crop before it.")
        return np.moveaxis(x, 3, 1)

    def __repr__(self) -> str:
        return "ChannelsFirst()"


class ChannelsLast:
    """(batch, channels, height, width) to (batch, height, width, channels), a view: what the other steps take."""

    def __call__(self, x: NDArray, draw: Draw) -> NDArray:
        if x.ndim != 4:
            raise DataError(f"{self!r} takes pictures (batch, channels, height, width), got {x.shape}.")
        return np.moveaxis(x, 1, 3)

    def __repr__(self) -> str:
        return "ChannelsLast()"
