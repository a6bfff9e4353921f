"""Random changes of colour."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparkdl.data.transforms.compose import Draw
from sparkdl.data.transforms.pictures import pictures, stacked
from sparkdl.errors import DataError

_GREY = np.array([0.299, 0.587, 0.114])  # luma of ITU-R BT.601
_TO_YIQ = np.array([_GREY, [0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]])
_FROM_YIQ = np.linalg.inv(_TO_YIQ)


class ColorJitter:
    """Brightness, contrast and saturation by random factors, then hue by a random angle; RGB pictures, 0 to 255.

    ``brightness=b``: times a factor uniform in [1 - b, 1 + b]. ``contrast=c``: the same, around the picture's mean
    grey. ``saturation=s``: the same, around each pixel's grey. ``hue=h``: colours turned by up to h of a full turn
    around the grey axis (in YIQ).

    Source: Howard (2013), section 2; Krizhevsky et al. (2012), section 4.1, for the idea.
    """

    def __init__(
        self, brightness: float = 0.0, contrast: float = 0.0, saturation: float = 0.0, hue: float = 0.0
    ) -> None:
        self.brightness, self.contrast, self.saturation, self.hue = brightness, contrast, saturation, hue
        if not min(brightness, contrast, saturation, hue) >= 0 or not hue <= 0.5:
            raise ValueError(f"ColorJitter: amounts must be at least 0 and hue at most 0.5, got {self!r}.")

    def __call__(self, x: NDArray, draw: Draw) -> NDArray:
        x = pictures(x, self)
        if not draw.training:
            return x
        amounts = 2 * draw.uniform(4) - 1
        return stacked([self._jitter(image, u) for image, u in zip(x, amounts, strict=True)])

    def _jitter(self, picture: NDArray, u: NDArray) -> NDArray:
        if picture.shape[2] != 3:
            raise DataError(f"{self!r} takes RGB pictures, got {picture.shape[2]} channels.")
        y = np.clip(picture * (1 + self.brightness * u[0]), 0, 255)
        if self.contrast:
            mean = (y @ _GREY).mean()
            y = np.clip(mean + (y - mean) * (1 + self.contrast * u[1]), 0, 255)
        if self.saturation:
            grey = (y @ _GREY)[..., None]
            y = np.clip(grey + (y - grey) * (1 + self.saturation * u[2]), 0, 255)
        if self.hue:
            angle = 2 * np.pi * self.hue * u[3]
            turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
            y = np.clip(y @ (_FROM_YIQ @ turn @ _TO_YIQ).T, 0, 255)
        return np.rint(y).astype(picture.dtype)

    def __repr__(self) -> str:
        return f"ColorJitter({self.brightness}, {self.contrast}, {self.saturation}, {self.hue})"
