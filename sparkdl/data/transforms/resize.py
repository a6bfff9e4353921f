"""Pictures to a given size."""

from __future__ import annotations

from numpy.typing import NDArray

from sparkdl.data.transforms.compose import Draw
from sparkdl.data.transforms.pictures import pair, pictures, resized, stacked


class Resize:
    """To ``(height, width)``; a single number is the length of the shorter side, proportions kept. Bilinear."""

    def __init__(self, size: int | tuple[int, int]) -> None:
        pair(size, "Resize")
        self.size = size

    def __call__(self, x: NDArray, draw: Draw) -> NDArray:
        return stacked([resized(picture, self._to(picture)) for picture in pictures(x, self)])

    def _to(self, picture: NDArray) -> tuple[int, int]:
        if not isinstance(self.size, int):
            return pair(self.size, "Resize")
        height, width = picture.shape[:2]
        short = min(height, width)
        return max(1, round(height * self.size / short)), max(1, round(width * self.size / short))

    def __repr__(self) -> str:
        return f"Resize({self.size!r})"
