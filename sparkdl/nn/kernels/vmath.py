"""exp, log, tanh, sigmoid and erf that LLVM can vectorise, for use inside compiled loops.

For float32 they are polynomials without branches or tables, so that a loop over them becomes vector code; for float64
they are the C library's. The largest errors, in units in the last place, stand with each function; the tests hold
them. Infinities and NaN are treated as the C library does.

Sources: Cody & Waite (1980) for the reduction of the argument of exp; Moshier, Cephes (1989), for the intervals of
exp, log and tanh and their coefficients; those of erf were fitted anew.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload, register_jitable

f32 = np.float32
_F, _I = ir.FloatType(), ir.IntType(32)
_INFINITY = f32(np.inf)
_LOG2E, _LN2_HI, _LN2_LO = f32(1.4426950408889634), f32(0.693359375), f32(-2.12194440e-4)
_MAGIC = f32(12582912.0)  # 1.5 * 2**23: adding it rounds to a whole number


@intrinsic
def _two_to(context, n):
    """2**n as float32 for a whole float32 n in -126 .. 127, by writing the exponent's bits."""

    def code(ctx, b, sig, args):
        exponent = b.add(b.fptosi(args[0], _I), _I(127))
        return b.bitcast(b.shl(exponent, _I(23)), _F)

    return (types.float32(types.float32), code) if n == types.float32 else None


_ROOT_HALF = 0x3F3504F3  # bits of sqrt(1/2)


@intrinsic
def _exponent(context, x):
    """The whole e with x = m * 2**e and m in sqrt(1/2) .. sqrt(2), as float32; x > 0 and normal."""

    def code(ctx, b, sig, args):
        bits = b.bitcast(args[0], _I)
        return b.sitofp(b.ashr(b.sub(bits, _I(_ROOT_HALF)), _I(23)), _F)

    return (types.float32(types.float32), code) if x == types.float32 else None


@intrinsic
def _mantissa(context, x):
    """The m of ``_exponent``."""

    def code(ctx, b, sig, args):
        bits = b.bitcast(args[0], _I)
        exponent = b.ashr(b.sub(bits, _I(_ROOT_HALF)), _I(23))
        return b.bitcast(b.sub(bits, b.shl(exponent, _I(23))), _F)

    return (types.float32(types.float32), code) if x == types.float32 else None


@register_jitable(inline="always")
def _reduced_exp(r):
    """exp(r) for |r| <= ln 2 / 2."""
    p = f32(1.9875691500e-4)
    p = p * r + f32(1.3981999507e-3)
    p = p * r + f32(8.3334519073e-3)
    p = p * r + f32(4.1665795894e-2)
    p = p * r + f32(1.6666665459e-1)
    p = p * r + f32(5.0000001201e-1)
    return p * (r * r) + r + f32(1)


@register_jitable(inline="always")
def _exp32(x):
    # x = n ln 2 + r; 2**n in two factors, so that the largest and the subnormal results come out right
    c = min(max(x, f32(-104)), f32(89))
    n = (c * _LOG2E + _MAGIC) - _MAGIC
    r = (c - n * _LN2_HI) - n * _LN2_LO
    h = (n * f32(0.5) + _MAGIC) - _MAGIC
    y = _reduced_exp(r) * _two_to(h) * _two_to(n - h)
    return x if x != x else y


@register_jitable(inline="always")
def _log32(x):
    tiny = x < f32(1.17549435e-38)
    s = x * f32(8388608) if tiny else x  # subnormals: times 2**23
    e, m = _exponent(s), _mantissa(s)
    e = e - f32(23) if tiny else e
    t = m - f32(1)
    p = f32(7.0376836292e-2)
    p = p * t + f32(-1.1514610310e-1)
    p = p * t + f32(1.1676998740e-1)
    p = p * t + f32(-1.2420140846e-1)
    p = p * t + f32(1.4249322787e-1)
    p = p * t + f32(-1.6668057665e-1)
    p = p * t + f32(2.0000714765e-1)
    p = p * t + f32(-2.4999993993e-1)
    p = p * t + f32(3.3333331174e-1)
    y = p * (t * t * t) + e * _LN2_LO
    y = (t + (y - f32(0.5) * (t * t))) + e * _LN2_HI
    y = _INFINITY if x == _INFINITY else y
    y = -_INFINITY if x == f32(0) else y
    return f32(np.nan) if not x >= f32(0) else y


@register_jitable(inline="always")
def _tanh32(x):
    a = abs(x)
    z = x * x
    p = f32(-5.70498872745e-3)
    p = p * z + f32(2.06390887954e-2)
    p = p * z + f32(-5.37397155531e-2)
    p = p * z + f32(1.33314422036e-1)
    p = p * z + f32(-3.33332819422e-1)
    small = x + x * z * p
    c = min(a, f32(9.5))  # tanh is 1 from there on
    large = f32(1) - f32(2) / (_positive_exp32(c + c) + f32(1))
    large = large if x > f32(0) else -large
    y = small if a < f32(0.625) else large
    return x if x != x else y


@register_jitable(inline="always")
def _positive_exp32(x):
    """exp(x) for x in 0 .. 19."""
    n = (x * _LOG2E + _MAGIC) - _MAGIC
    return _reduced_exp((x - n * _LN2_HI) - n * _LN2_LO) * _two_to(n)


@register_jitable(inline="always")
def _sigmoid32(x):
    e = _exp32(-abs(x))
    return (f32(1) if x >= f32(0) else e) / (f32(1) + e)


@register_jitable(inline="always")
def _erf32(x):
    # |x| < 1: odd polynomial; 1 to 4: 1 - exp(-x**2) times a polynomial in 1 / x; beyond, erf is 1
    z = x * x
    p = f32(7.8538532796e-05)
    p = p * z + f32(-8.0101911792e-04)
    p = p * z + f32(5.1883274072e-03)
    p = p * z + f32(-2.6853811789e-02)
    p = p * z + f32(1.1283585145e-01)
    p = p * z + f32(-3.7612625824e-01)
    p = p * z + f32(1.1283791657)
    a = min(max(abs(x), f32(1)), f32(4))
    t = f32(1) / a
    q = f32(-1.6678575080e-02)
    q = q * t + f32(1.1580263497e-01)
    q = q * t + f32(-3.4574209305e-01)
    q = q * t + f32(5.6782868607e-01)
    q = q * t + f32(-5.0155166189e-01)
    q = q * t + f32(4.9612438171e-02)
    q = q * t + f32(5.5797927995e-01)
    q = q * t + f32(3.3292847758e-04)
    large = f32(1) - _exp32(-a * a) * q
    large = large if x > f32(0) else -large
    y = x * p if abs(x) < f32(1) else large
    return x if x != x else y


def _choose(name: str, single: Any, double: Any) -> Any:
    """A function for compiled code that is ``single`` for float32 and ``double`` for float64."""

    def function(x):
        raise TypeError(f"vmath.{name} is for use inside compiled code.")

    function.__name__ = function.__qualname__ = name

    @overload(function, inline="always")
    def implementation(x):
        if x == types.float32:
            return lambda x: single(x)
        if x == types.float64:
            return lambda x: double(x)
        return None

    return function


@register_jitable(inline="always")
def _sigmoid64(x):
    e = math.exp(-abs(x))
    return (1.0 if x >= 0 else e) / (1 + e)


exp = _choose("exp", _exp32, math.exp)  # 1.5 units in the last place
log = _choose("log", _log32, math.log)  # 1
tanh = _choose("tanh", _tanh32, math.tanh)  # 1.5
sigmoid = _choose("sigmoid", _sigmoid32, _sigmoid64)  # 2.5
erf = _choose("erf", _erf32, math.erf)  # 2.5
