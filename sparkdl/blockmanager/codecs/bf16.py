"""The upper half of a float32, rounded."""

from __future__ import annotations

import numpy as np

from sparkdl.blockmanager.codecs.base import Codec

_HALF, _ONE, _SHIFT = np.uint32(0x7FFF), np.uint32(1), np.uint32(16)
_QUIET = np.uint16(0x7FC0)


class BFloat16(Codec):
    """bfloat16, rounded to nearest even: float32's range with 8 bits of significand. NaN stays NaN.

    Adding 0x7FFF plus the lowest kept bit carries into the kept half exactly when round-to-nearest-even rounds up;
    a NaN could carry into infinity or zero, so it is written as the quiet NaN.
    """

    name = "bf16"

    def nbytes(self, count: int, dtype: np.dtype) -> int:
        return 2 * count

    def encode(self, values: np.ndarray, out: np.ndarray) -> int:
        size = 2 * values.size
        with np.errstate(over="ignore", invalid="ignore"):  # float64: beyond float32 is infinite
            values = np.ascontiguousarray(values, np.float32)
        bits = values.view(np.uint32)
        kept = (bits >> _SHIFT) & _ONE
        kept += _HALF
        kept += bits
        kept >>= _SHIFT
        coded = out[:size].view(np.uint16)
        coded[:] = kept
        coded[np.isnan(values)] = _QUIET
        return size

    def decode(self, data: np.ndarray, out: np.ndarray) -> None:
        wide = data[: 2 * out.size].view(np.uint16).astype(np.uint32)
        wide <<= _SHIFT
        out[:] = wide.view(np.float32)
