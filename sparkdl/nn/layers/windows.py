"""Windows that slide over pictures of any rank: sizes, padding, patches, and their adjoints.

All functions here take channels-last arrays ``(batch, *places, channels)`` of any strides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.layers.layout import last, shown

__all__ = ["PLACES", "Windows", "check_pictures", "last", "same_padding", "sizes"]

PLACES = {1: "length", 2: "height, width", 3: "depth, height, width"}


def sizes(layer: str, name: str, value: Any, rank: int, least: int = 1) -> tuple[int, ...]:
    """``value`` as ``rank`` whole numbers: one number stands for all."""
    numbers: tuple[Any, ...] = (value,) * rank if np.isscalar(value) else tuple(value)
    if len(numbers) != rank or any(not isinstance(n, int | np.integer) or n < least for n in numbers):
        raise ShapeError(f"{layer}: {name} is a whole number >= {least} or {rank} of them, got {value!r}.")
    return tuple(int(n) for n in numbers)


def check_pictures(layer: Any, x: np.ndarray, rank: int, channels: int | None = None) -> None:
    """Raises unless ``x`` is ``(batch, channels, *places)`` (seen so, where the layer's ``data_format`` is another)."""
    if x.ndim != rank + 2 or (channels is not None and x.shape[1] != channels):
        wanted, got = shown(layer, x.shape, channels or "channels", PLACES[rank])
        raise ShapeError(f"{layer!r} takes {wanted}, got {got}.")


@dataclass(frozen=True)
class Windows:
    """Windows of ``kernel`` places, ``dilation`` apart, starting every ``stride`` places of the padded picture."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]

    def reach(self) -> tuple[int, ...]:
        """How many places a window covers along each axis."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    def out(self, layer: Any, places: tuple[int, ...], ceil: bool = False) -> tuple[int, ...]:
        """How many windows there are along each axis. ``ceil`` adds one that starts inside but reaches out."""
        result = []
        for n, reach, step, (before, after) in zip(places, self.reach(), self.stride, self.pads, strict=True):
            room = n + before + after - reach
            if room < 0:
                raise ShapeError(f"{layer!r}: a window of {reach} exceeds {n} places and padding {before, after}.")
            count = (-(-room // step) if ceil else room // step) + 1
            if ceil and (count - 1) * step >= n + before:  # a window must start in the picture or the padding before it
                count -= 1
            result.append(count)
        return tuple(result)

    def padded(self, x: np.ndarray) -> np.ndarray:
        """``x`` with its padding of zeros."""
        return np.pad(x, [(0, 0), *self.pads, (0, 0)]) if any(map(any, self.pads)) else x

    def inner(self, x: np.ndarray, places: tuple[int, ...]) -> np.ndarray:
        """The picture inside the padded picture (a view)."""
        return x[(slice(None), *(slice(a, a + n) for n, (a, _) in zip(places, self.pads, strict=True)))]

    def offsets(self, out: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]:
        """Each place ``k`` of the window with the index of what lies there, for all windows, in the padded picture."""
        for k in product(*map(range, self.kernel)):
            starts = [i * d for i, d in zip(k, self.dilation, strict=True)]
            yield k, (
                slice(None),
                *(slice(a, a + (n - 1) * s + 1, s) for a, n, s in zip(starts, out, self.stride, strict=True)),
            )

    def patches(self, x: np.ndarray, out: tuple[int, ...]) -> np.ndarray:
        """All windows of a padded picture, ``(batch, *out, *kernel, channels)`` (a view)."""
        places = x.strides[1:-1]
        strides = (
            x.strides[0],
            *(s * n for s, n in zip(places, self.stride, strict=True)),
            *(s * d for s, d in zip(places, self.dilation, strict=True)),
            x.strides[-1],
        )
        shape = (len(x), *out, *self.kernel, x.shape[-1])
        return np.lib.stride_tricks.as_strided(x, shape, strides, writeable=False)

    def add_patches(self, x: np.ndarray, patches: np.ndarray, out: tuple[int, ...]) -> None:
        """The adjoint of ``patches``: adds each window's values to the places of ``x`` (padded) that they came from."""
        free: tuple[Any, ...] = (slice(None),) * (1 + len(out))
        for k, places in self.offsets(out):
            x[places] += patches[free + k]


def same_padding(reach: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """Padding that keeps the size at stride 1; the odd place goes behind."""
    return tuple(((n - 1) // 2, (n - 1) - (n - 1) // 2) for n in reach)
