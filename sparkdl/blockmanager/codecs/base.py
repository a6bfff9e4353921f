"""The contract of a codec."""

from __future__ import annotations

import abc

import numpy as np


class Codec(abc.ABC):
    """Writes a vector of floats into bytes and back; sums are always made of decoded values, in float32.

    ``exact`` says that decoding gives the very values that were encoded. Of a codec with a state each series of vectors
    that a task sends, one per step, has a copy of its own; what is decoded has none.
    """

    name: str
    exact = False

    @abc.abstractmethod
    def nbytes(self, count: int, dtype: np.dtype) -> int:
        """Bytes that ``count`` values of ``dtype`` take, at most."""

    @abc.abstractmethod
    def encode(self, values: np.ndarray, out: np.ndarray) -> int:
        """Writes ``values`` into ``out`` (bytes, at least ``nbytes`` long) and returns how many bytes it wrote."""

    @abc.abstractmethod
    def decode(self, data: np.ndarray, out: np.ndarray) -> None:
        """Writes the values that ``data`` (bytes) stands for into ``out``."""

    def state(self) -> dict[str, np.ndarray]:
        """What must be kept to go on after a restart: residuals. Nothing by default."""
        return {}

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        """Goes on from what `state` gave."""
        if state:
            raise NotImplementedError(f"{type(self).__name__}: a codec with a state has to load it too.")
