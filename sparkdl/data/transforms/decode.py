"""Pictures out of encoded files."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from sparkdl.data.transforms.compose import Draw
from sparkdl.data.transforms.pictures import stacked
from sparkdl.errors import DataError


class Decode:
    """JPEG, PNG and whatever else Pillow reads, as uint8 (height, width, channels).

    ``mode`` "RGB" or "L" (grey). The file's orientation mark is followed. Pictures of more pixels than ``most`` are
    refused before they are decoded.
    """

    def __init__(self, mode: str = "RGB", most: int = 89_478_485) -> None:
        if mode not in ("RGB", "L"):
            raise ValueError(f'Decode: mode must be "RGB" or "L", got {mode!r}.')
        self.mode, self.most = mode, most

    def __call__(self, x: NDArray, draw: Draw) -> NDArray:
        if x.dtype != object:
            raise DataError(f"{self!r} takes encoded files (a binary column, an object array of bytes), got {x.dtype}.")
        return stacked([self._decode(data, row) for data, row in zip(x, draw.rows, strict=True)])

    def _decode(self, data: bytes, row: int) -> NDArray[np.uint8]:
        from PIL import Image, ImageOps

        try:
            with Image.open(io.BytesIO(data)) as picture:
                if picture.width * picture.height > self.most:
                    raise DataError(f"a picture of {picture.width} x {picture.height} pixels; at most {self.most:,}")
                done = ImageOps.exif_transpose(picture).convert(self.mode)
            return np.array(done).reshape(done.height, done.width, -1)
        except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
            what = f"the picture of row {row} ({len(data):,} bytes)"
            raise DataError(f"{self!r}: {what} cannot be read: {error}.") from error

    def __repr__(self) -> str:
        return f"Decode({self.mode!r})"
