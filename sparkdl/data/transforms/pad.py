"""Lists of numbers brought to one length."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparkdl.data.transforms.compose import Draw


class Pad:
    """(batch, ``length``) int64: longer lists keep their first (``keep="first"``) or last numbers.

    Shorter ones get ``value`` on ``side`` "after" or "before".
    """

    def __init__(self, length: int, value: int = 0, keep: str = "first", side: str = "after") -> None:
        if not length >= 1 or keep not in ("first", "last") or side not in ("after", "before"):
            given = f"{length}, {keep}, {side}"
            raise ValueError(f"Pad takes length >= 1, keep first or last, side after or before; got {given}.")
        self.length, self.value, self.keep, self.side = length, value, keep, side

    def __call__(self, x: NDArray, draw: Draw) -> NDArray[np.int64]:
        y = np.full((len(x), self.length), self.value, np.int64)
        for row, numbers in zip(y, x, strict=True):
            kept = numbers[: self.length] if self.keep == "first" else numbers[-self.length :]
            if self.side == "after":
                row[: len(kept)] = kept
            else:
                row[self.length - len(kept) :] = kept
        return y

    def __repr__(self) -> str:
        return f"Pad({self.length}, value={self.value}, keep={self.keep!r}, side={self.side!r})"
