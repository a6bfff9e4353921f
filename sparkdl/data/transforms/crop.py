"""Parts of pictures: centred, at a random place, or at a random place and scale."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sparkdl.data.transforms.compose import Draw
from sparkdl.data.transforms.pictures import pair, pictures, resized, stacked


class CenterCrop:
    """The middle ``(height, width)`` of each picture; smaller pictures get a border of zeros."""

    def __init__(self, size: int | tuple[int, int]) -> None:
        self.size = pair(size, "CenterCrop")

    def __call__(self, x: NDArray, draw: Draw) -> NDArray:
        x = pictures(x, self)
        middle = np.full((len(x), 2), 0.5)
        return _cropped(x, self.size, 0, middle)

    def __repr__(self) -> str:
        return f"CenterCrop({self.size})"


class RandomCrop:
    """``(height, width)`` at a uniformly random place, after a border of ``padding`` zeros; centred in evaluation.

    Source: He et al. (2016), section 4.2 (CIFAR-10: ``RandomCrop(32, padding=4)``).
    """

    def __init__(self, size: int | tuple[int, int], padding: int = 0) -> None:
        self.size, self.padding = pair(size, "RandomCrop"), padding
        if not padding >= 0:
            raise ValueError(f"RandomCrop: padding must be at least 0, got {padding!r}.")

    def __call__(self, x: NDArray, draw: Draw) -> NDArray:
        x = pictures(x, self)
        if not draw.training:
            return _cropped(x, self.size, 0, np.full((len(x), 2), 0.5))
        return _cropped(x, self.size, self.padding, draw.uniform(2))

    def __repr__(self) -> str:
        return f"RandomCrop({self.size}, padding={self.padding})"


class RandomResizedCrop:
    """A part of random area and proportions, at a random place, brought to ``(height, width)``.

    The area is uniform in ``scale`` (of the picture's), width over height log-uniform in ``ratio``; after ten tries
    that do not fit, and in evaluation, the largest centred part of the target's proportions.

    Source: Szegedy et al. (2015), section 6.
    """

    _TRIES = 10

    def __init__(
        self,
        size: int | tuple[int, int],
        scale: tuple[float, float] = (0.08, 1.0),
        ratio: tuple[float, float] = (3 / 4, 4 / 3),
    ) -> None:
        self.size, self.scale, self.ratio = pair(size, "RandomResizedCrop"), scale, ratio
        if not 0 < scale[0] <= scale[1] <= 1 or not 0 < ratio[0] <= ratio[1]:
            raise ValueError(f"RandomResizedCrop: expected 0 < scale <= 1 and 0 < ratio, got {scale} and {ratio}.")

    def __call__(self, x: NDArray, draw: Draw) -> NDArray:
        x = pictures(x, self)
        draws = draw.uniform(self._TRIES, 4) if draw.training else np.empty((len(x), 0, 4))
        return stacked([resized(image, self.size, self._box(image, u)) for image, u in zip(x, draws, strict=True)])

    def _box(self, picture: NDArray, tries: NDArray) -> tuple[float, float, float, float]:
        height, width = picture.shape[:2]
        low, high = (math.log(bound) for bound in self.ratio)
        for u in tries:
            area = height * width * (self.scale[0] + u[0] * (self.scale[1] - self.scale[0]))
            ratio = math.exp(low + u[1] * (high - low))
            w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < w <= width and 0 < h <= height:
                left, top = int(u[2] * (width - w + 1)), int(u[3] * (height - h + 1))
                return left, top, left + w, top + h
        w = min(width, height * self.size[1] / self.size[0])
        h = min(height, width * self.size[0] / self.size[1])
        return (width - w) / 2, (height - h) / 2, (width + w) / 2, (height + h) / 2

    def __repr__(self) -> str:
        return f"RandomResizedCrop({self.size}, scale={self.scale}, ratio={self.ratio})"


def _cropped(x: NDArray, size: tuple[int, int], padding: int, place: NDArray) -> NDArray:
    """Crops at ``place`` (n, 2) in [0, 1) of the free room."""
    items = []
    for picture, u in zip(x, place, strict=True):
        need = [max(0, wanted - have - 2 * padding) for wanted, have in zip(size, picture.shape, strict=False)]
        border = [(padding + n // 2, padding + n - n // 2) for n in need]
        if any(map(any, border)):
            picture = np.pad(picture, [*border, (0, 0)])
        top, left = (int(v * (have - want + 1)) for v, have, want in zip(u, picture.shape, size, strict=False))
        items.append(picture[top : top + size[0], left : left + size[1]])
    return stacked(items)
