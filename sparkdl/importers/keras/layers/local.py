"""Weights of locally connected layers, which Keras stores in three forms."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from sparkdl.importers.keras.convert import Conversion


@dataclass(frozen=True)
class Grid:
    """Places of a locally connected layer: those of its input, of its output, and of its windows."""

    places: tuple[int, ...]
    out: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    before: tuple[int, ...]  # padding in front
    size: int
    filters: int
    channels_first: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """(*out, filters, size, *kernel), as the layers here keep their weights."""
        return (*self.out, self.filters, self.size, *self.kernel)

    def pairs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For each weight whose window place lies inside the input: its flat index in ``shape``, and the flat indices
        of the values that it reads and writes, in the file's order of axes."""
        index = np.indices(self.shape, np.int64).reshape(len(self.shape), -1)
        rank = len(self.out)
        at, channel, tap = index[:rank], index[rank : rank + 2], index[rank + 2 :]
        place = at * np.array(self.stride)[:, None] + tap - np.array(self.before)[:, None]
        inside = ((place >= 0) & (place < np.array(self.places)[:, None])).all(axis=0)
        read = self._flat(place, channel[1], self.places, self.size, inside)
        written = self._flat(at, channel[0], self.out, self.filters, inside)
        return np.flatnonzero(inside), read, written

    def _flat(self, place: np.ndarray, channel: np.ndarray, sizes: tuple[int, ...], channels: int, inside: np.ndarray) -> np.ndarray:
        place, channel = place[:, inside], channel[inside]
        if self.channels_first:
            return np.ravel_multi_index((channel, *place), (channels, *sizes))
        return np.ravel_multi_index((*place, channel), (*sizes, channels))


def local_weight(c: Conversion, grid: Grid) -> np.ndarray:
    """The kernel as (*out, filters, size, *kernel).

    Implementation 1 keeps one matrix per place; 2 the whole matrix from input to output, mostly zeros; 3 of that
    matrix what may differ from 0, output by output.
    """
    form, rank = c.spec.get("implementation", 1), len(grid.out)
    if form == 1:
        weight = c.weight(0, (prod(grid.out), prod(grid.kernel) * grid.size, grid.filters))
        window = (grid.size, *grid.kernel) if grid.channels_first else (*grid.kernel, grid.size)
        weight = weight.reshape(*grid.out, *window, grid.filters)
        taps = range(rank + 1, 2 * rank + 1) if grid.channels_first else range(rank, 2 * rank)
        return weight.transpose(*range(rank), 2 * rank + 1, rank if grid.channels_first else 2 * rank, *taps)
    if form not in (2, 3):
        raise c.fail(f"implementation is {form!r}")
    weight = np.zeros(grid.shape, np.float32)
    flat, read, written = grid.pairs()
    if form == 2:
        front, back = (grid.size, *grid.places), (grid.filters, *grid.out)
        if not grid.channels_first:
            front, back = (*grid.places, grid.size), (*grid.out, grid.filters)
        weight.reshape(-1)[flat] = c.weight(0, front + back).reshape(prod(front), -1)[read, written]
    else:
        values = c.weight(0, (len(flat),))
        weight.reshape(-1)[flat[np.lexsort((read, written))]] = values
    return weight

