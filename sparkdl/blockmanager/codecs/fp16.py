"""IEEE half precision."""

from __future__ import annotations

import numpy as np

from sparkdl.blockmanager.codecs.base import Codec
from sparkdl.blockmanager.codecs.bits import bits_of, float_of
from sparkdl.kernel import njit


class Half(Codec):
    """IEEE 754 binary16, rounded to nearest even: 11 bits of significand, largest number 65,504.

    Larger values become infinite, below 6e-8 zero; see bf16 for float32's range. float64 values are
    rounded to float32 first. Source: IEEE 754-2008, section 3.6.
    """

    name = "fp16"

    def nbytes(self, count: int, dtype: np.dtype) -> int:
        return 2 * count

    def encode(self, values: np.ndarray, out: np.ndarray) -> int:
        size = 2 * values.size
        _encode(out[:size].view(np.uint16), values)
        return size

    def decode(self, data: np.ndarray, out: np.ndarray) -> None:
        _decode(out, data[: 2 * out.size].view(np.uint16))


_SIGN, _REST = np.uint32(0x80000000), np.uint32(0x7FFFFFFF)
_TOO_LARGE = np.uint32(143 << 23)  # 2**16: from here on infinite, or NaN
_INFINITE, _INFINITE_HALF, _NAN_HALF = np.uint32(0x7F800000), np.uint32(0x7C00), np.uint32(0x7E00)
_SMALLEST_NORMAL = np.uint32(113 << 23)  # 2**-14: below it, half numbers are multiples of 2**-24
_STEPS, _STEP = np.float32(2.0**24), np.float32(2.0**-24)
_REBIAS = np.uint32(112 << 23)  # between the two exponents' offsets, 127 - 15
_HALFWAY, _ONE = np.uint32(0xFFF), np.uint32(1)
_SHIFT, _SHIFT_SIGN = np.uint32(13), np.uint32(16)
_HALF_REST, _HALF_NORMAL = np.uint32(0x7FFF), np.uint32(0x400)


@njit
def _encode(out, values):
    """Three ways to the code, all taken for every value and the right one selected: that runs in vector registers."""
    for i in range(values.size):
        bits = bits_of(np.float32(values[i]))
        rest = bits & _REST
        # 13 bits are cut off; the lowest kept bit added to just under half of the last place makes ties go to even
        normal = (rest - _REBIAS + _HALFWAY + ((rest >> _SHIFT) & _ONE)) >> _SHIFT
        small = np.uint32(np.rint(float_of(min(rest, _SMALLEST_NORMAL)) * _STEPS))
        large = _NAN_HALF if rest > _INFINITE else _INFINITE_HALF
        code = small if rest < _SMALLEST_NORMAL else (large if rest >= _TOO_LARGE else normal)
        out[i] = np.uint16(code | ((bits & _SIGN) >> _SHIFT_SIGN))


@njit
def _decode(out, codes):
    for i in range(out.size):
        code = np.uint32(codes[i])
        rest = code & _HALF_REST
        normal = (rest << _SHIFT) + _REBIAS
        large = normal + _REBIAS
        small = bits_of(np.float32(rest) * _STEP)
        bits = small if rest < _HALF_NORMAL else (large if rest >= _INFINITE_HALF else normal)
        out[i] = float_of(bits | ((code & ~_HALF_REST) << _SHIFT_SIGN))
