"""The upper half of a float32, rounded."""

from __future__ import annotations

import numpy as np

from sparkdl.blockmanager.codecs.base import Codec
from sparkdl.blockmanager.codecs.bits import bits_of, float_of
from sparkdl.kernel import njit


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
        _encode(out[:size].view(np.uint16), values)
        return size

    def decode(self, data: np.ndarray, out: np.ndarray) -> None:
        _decode(out, data[: 2 * out.size].view(np.uint16))


_REST, _INFINITE = np.uint32(0x7FFFFFFF), np.uint32(0x7F800000)
_HALFWAY, _ONE, _SHIFT, _NAN = np.uint32(0x7FFF), np.uint32(1), np.uint32(16), np.uint32(0x7FC0)


@njit
def _encode(out, values):
    for i in range(values.size):
        bits = bits_of(np.float32(values[i]))
        rounded = (bits + _HALFWAY + ((bits >> _SHIFT) & _ONE)) >> _SHIFT
        out[i] = np.uint16(_NAN if (bits & _REST) > _INFINITE else rounded)


@njit
def _decode(out, codes):
    for i in range(out.size):
        out[i] = float_of(np.uint32(codes[i]) << _SHIFT)
