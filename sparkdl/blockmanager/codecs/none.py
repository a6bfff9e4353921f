"""Floats as they are."""

from __future__ import annotations

import numpy as np

from sparkdl.blockmanager.codecs.base import Codec


class NoCodec(Codec):
    """Every float as its own bytes, little-endian, in the model's dtype."""

    name = "none"
    exact = True

    def nbytes(self, count: int, dtype: np.dtype) -> int:
        return count * dtype.itemsize

    def encode(self, values: np.ndarray, out: np.ndarray) -> int:
        out[: values.nbytes].view(values.dtype)[:] = values
        return values.nbytes

    def decode(self, data: np.ndarray, out: np.ndarray) -> None:
        out[:] = data[: out.nbytes].view(out.dtype)
