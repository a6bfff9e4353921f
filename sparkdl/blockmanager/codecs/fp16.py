"""IEEE half precision."""

from __future__ import annotations

import numpy as np

from sparkdl.blockmanager.codecs.base import Codec


class Half(Codec):
    """IEEE 754 binary16, rounded to nearest even: 11 bits of significand, largest number 65,504.

    Larger values become infinite, below 6e-8 zero; see bf16 for float32's range. Source: IEEE 754-2008, section 3.6.
    """

    name = "fp16"

    def nbytes(self, count: int, dtype: np.dtype) -> int:
        return 2 * count

    def encode(self, values: np.ndarray, out: np.ndarray) -> int:
        size = 2 * values.size
        with np.errstate(over="ignore", under="ignore"):
            out[:size].view(np.float16)[:] = values
        return size

    def decode(self, data: np.ndarray, out: np.ndarray) -> None:
        out[:] = data[: 2 * out.size].view(np.float16)
