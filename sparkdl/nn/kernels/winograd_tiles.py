"""The transforms of Winograd's F(4x4, 3x3) on vectors of channels, written as LLVM IR.

With the input tile d (6x6), the window g (3x3) and the output tile y (4x4), all per channel,

    y = A^T [ (B^T d B) * (G g G^T) ] A

Each function takes a matrix of vectors to another, for ``channels`` channels in a row (a multiple of the lanes):

    input(like, d, row, column, v, step, channels)                   36 vectors ``step`` apart in v = B^T d B
    output(like, m, step, y, row, column, channels, height, width, bias, with_bias)   y = A^T m A, cut to height x width
    gradient(like, dy, row, column, height, width, z, step, channels)   z = A dy A^T, dy zero beyond its size
    weights(like, g, row, column, u, step, channels)                 u = G g G^T
    weights_back(like, u, step, g, row, column, channels)            g = G^T u G, the adjoint

Source: Lavin & Gray (2016), section 4.1, with other points than theirs. They evaluate polynomials at 0, 1, -1, 2, -2;
0 and plus and minus the square roots of 1/2 and 2 give half the rounding error (points c and 1/c: Alam et al., 2022,
"Winograd convolution for deep neural networks: efficient point selection").
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import llvmlite.binding as llvm
import llvmlite.ir as ir

from sparkdl.kernel import isa
from sparkdl.nn.kernels.block import external
from sparkdl.nn.kernels.microkernel import I64, PTR, VOID, Loop, Width, load_object

_INPUT = ir.FunctionType(VOID, [PTR, I64, I64, PTR, I64, I64])
_OUTPUT = ir.FunctionType(VOID, [PTR, I64, PTR, I64, I64, I64, I64, I64, PTR, I64])
_GRADIENT = ir.FunctionType(VOID, [PTR, I64, I64, I64, I64, PTR, I64, I64])
_WEIGHTS = _INPUT
_BACK = ir.FunctionType(VOID, [PTR, I64, PTR, I64, I64, I64])


class Sums:
    """Sums and multiples of vectors at one place of the code."""

    def __init__(self, b: ir.IRBuilder, w: Width) -> None:
        self.b, self.w = b, w

    def add(self, x: Any, y: Any) -> Any:
        return self.b.fadd(x, y)

    def sub(self, x: Any, y: Any) -> Any:
        return self.b.fsub(x, y)

    def times(self, c: float, x: Any) -> Any:
        return self.b.fmul(x, self._constant(c))

    def plus(self, c: float, x: Any, y: Any) -> Any:
        """``c x + y``."""
        return self.w.fma(self.b, x, self._constant(c), y)

    def _constant(self, c: float) -> Any:
        return ir.Constant(self.w.vector, [c] * self.w.lanes)


_P, _Q = math.sqrt(0.5), math.sqrt(2.0)  # the points are 0, _P, -_P, _Q, -_Q


def _pair(o: Sums, c: float, odd: Any, even: Any) -> list[Any]:
    """What a point and its opposite give: ``even + c odd`` and ``even - c odd``."""
    return [o.plus(c, odd, even), o.plus(-c, odd, even)]


def _bt(o: Sums, d: list[Any]) -> list[Any]:
    even, odd = o.plus(-2.0, d[2], d[4]), o.plus(-2.0, d[1], d[3])
    even2, odd2 = o.plus(-0.5, d[2], d[4]), o.plus(-0.5, d[1], d[3])
    return [
        o.plus(-2.5, d[2], o.add(d[0], d[4])), *_pair(o, _P, odd, even), *_pair(o, _Q, odd2, even2),
        o.plus(-2.5, d[3], o.add(d[1], d[5])),
    ]  # fmt: skip


def _at(o: Sums, m: list[Any]) -> list[Any]:
    s1, s2, d1, d2 = o.add(m[1], m[2]), o.add(m[3], m[4]), o.sub(m[1], m[2]), o.sub(m[3], m[4])
    return [
        o.add(m[0], o.add(s1, s2)), o.times(_P, o.plus(2.0, d2, d1)), o.plus(0.5, s1, o.times(2.0, s2)),
        o.plus(_P / 2, o.plus(8.0, d2, d1), m[5]),
    ]  # fmt: skip


def _a(o: Sums, y: list[Any]) -> list[Any]:
    even, odd = o.plus(0.5, y[2], y[0]), o.plus(0.5, y[3], y[1])
    even2, odd2 = o.plus(2.0, y[2], y[0]), o.plus(2.0, y[3], y[1])
    return [y[0], *_pair(o, _P, odd, even), *_pair(o, _Q, odd2, even2), y[3]]


def _g(o: Sums, g: list[Any]) -> list[Any]:
    even, even2 = o.times(-1 / 3, o.plus(2.0, g[0], g[2])), o.plus(1 / 6, g[0], o.times(1 / 3, g[2]))
    return [g[0], *_pair(o, _P * -2 / 3, g[1], even), *_pair(o, _Q / 6, g[1], even2), g[2]]


def transform_back(o: Sums, u: list[Any]) -> list[Any]:
    """``G^T u``: three vectors from six."""
    s1, d1, s2, d2 = o.add(u[1], u[2]), o.sub(u[1], u[2]), o.add(u[3], u[4]), o.sub(u[3], u[4])
    return [
        o.plus(-2 / 3, s1, o.plus(1 / 6, s2, u[0])), o.plus(_P * -2 / 3, d1, o.times(_Q / 6, d2)),
        o.plus(1 / 3, o.sub(s2, s1), u[5]),
    ]  # fmt: skip


_Place = Callable[[int, int], Any]


def _both_sides(o: Sums, load: _Place, size: int, f: Any, groups: Any, store: Callable[[int, int, Any], None]) -> None:
    """``F rows F^T`` of a matrix of vectors with ``size`` rows and columns.

    Rows of the result are made in ``groups``, each small enough for the registers, and what they need is loaded again;
    rows that have terms in common stand in one group.
    """
    for group in groups["avx512" if o.w.isa == "avx512" else "others"]:
        columns = [f(o, [load(i, j) for i in range(size)]) for j in range(size)]
        for i in group:
            for j, value in enumerate(f(o, [column[i] for column in columns])):
                store(i, j, value)


_SIX = {"avx512": ((0, 1, 2), (3, 4, 5)), "others": ((0,), (1,), (2,), (3,), (4,), (5,))}
_FOUR = {"avx512": ((0, 2), (1, 3)), "others": ((0,), (2,), (1,), (3,))}
_THREE = {"avx512": ((0, 2), (1,)), "others": ((0,), (1,), (2,))}


def _function(module: ir.Module, w: Width, name: str, kind: ir.FunctionType) -> tuple[ir.IRBuilder, Any]:
    function = ir.Function(module, kind, f"sparkdl_winograd_{name}_{w.kind}")
    return ir.IRBuilder(function.append_basic_block("entry")), function.args


def _place(b: ir.IRBuilder, row: Any, i: int, column: Any, j: int, c: Any) -> Any:
    return b.add(b.add(b.mul(row, I64(i)), b.mul(column, I64(j))), c)


def _plain(
    module: ir.Module, w: Width, name: str, size: int, f: Any, groups: Any, strided_source: bool, strided_target: bool
) -> None:
    """Between a square of vectors (row and column strides) and a list of 36 (one stride), by ``f`` on both sides."""
    b, args = _function(module, w, name, _INPUT if strided_source else _BACK)
    if strided_source:
        source, row, column, to, step, channels = args
    else:
        source, step, to, row, column, channels = args
    with Loop(b, channels, step=w.lanes) as c:

        def at(i: int, j: int, strided: bool) -> Any:
            return _place(b, row, i, column, j, c) if strided else b.add(b.mul(step, I64(6 * i + j)), c)

        def load(i: int, j: int) -> Any:
            return w.load(b, w.pointer(b, source, at(i, j, strided_source)))

        def store(i: int, j: int, value: Any) -> None:
            w.store(b, value, w.pointer(b, to, at(i, j, strided_target)))

        _both_sides(Sums(b, w), load, size, f, groups, store)
    b.ret_void()


def _whole_or_cut(b: ir.IRBuilder, height: Any, width: Any, emit: Callable[[bool], None]) -> None:
    """``emit(False)`` for tiles of which all 4x4 outputs exist, ``emit(True)`` for those at the image's end."""
    whole = b.and_(b.icmp_signed(">=", height, I64(4)), b.icmp_signed(">=", width, I64(4)))
    with b.if_else(whole) as (inside, at_the_end):
        with inside:
            emit(False)
        with at_the_end:
            emit(True)
    b.ret_void()


def _exists(b: ir.IRBuilder, i: int, j: int, height: Any, width: Any) -> Any:
    return b.and_(b.icmp_signed("<", I64(i), height), b.icmp_signed("<", I64(j), width))


def _output(module: ir.Module, w: Width) -> None:
    b, (m, step, y, row, column, channels, height, width, bias, with_bias) = _function(module, w, "output", _OUTPUT)
    start = b.alloca(w.vector)

    def emit(cut: bool) -> None:
        with Loop(b, channels, step=w.lanes) as c:
            b.store(ir.Constant(w.vector, None), start)
            with b.if_then(b.icmp_signed("!=", with_bias, I64(0))):
                b.store(w.load(b, w.pointer(b, bias, c)), start)
            more = b.load(start)

            def load(i: int, j: int) -> Any:
                return w.load(b, w.pointer(b, m, b.add(b.mul(step, I64(6 * i + j)), c)))

            def store(i: int, j: int, value: Any) -> None:
                value, to = b.fadd(value, more), w.pointer(b, y, _place(b, row, i, column, j, c))
                if not cut:
                    w.store(b, value, to)
                    return
                with b.if_then(_exists(b, i, j, height, width)):
                    w.store(b, value, to)

            _both_sides(Sums(b, w), load, 6, _at, _FOUR, store)

    _whole_or_cut(b, height, width, emit)


def _gradient(module: ir.Module, w: Width) -> None:
    b, (dy, row, column, height, width, z, step, channels) = _function(module, w, "gradient", _GRADIENT)
    zeros = ir.GlobalVariable(module, w.vector, "sparkdl_tile_zeros")
    zeros.linkage, zeros.global_constant, zeros.initializer = "internal", True, ir.Constant(w.vector, None)

    def emit(cut: bool) -> None:
        with Loop(b, channels, step=w.lanes) as c:

            def load(i: int, j: int) -> Any:
                at = w.pointer(b, dy, _place(b, row, i, column, j, c))
                if cut:
                    at = b.select(_exists(b, i, j, height, width), at, b.bitcast(zeros, at.type))
                return w.load(b, at)

            def store(i: int, j: int, value: Any) -> None:
                w.store(b, value, w.pointer(b, z, b.add(b.mul(step, I64(6 * i + j)), c)))

            _both_sides(Sums(b, w), load, 4, _a, _SIX, store)

    _whole_or_cut(b, height, width, emit)


def build(name: str) -> ir.Module:
    module = ir.Module("sparkdl_winograd")
    module.triple = llvm.get_default_triple()
    w = Width(name, "f32")
    _plain(module, w, "input", 6, _bt, _SIX, True, False)
    _plain(module, w, "weights", 3, _g, _SIX, True, False)
    _plain(module, w, "weights_back", 6, transform_back, _THREE, False, True)
    _output(module, w)
    _gradient(module, w)
    return module


@cache
def load() -> None:
    """Makes the functions known, before compiled code that refers to them is loaded."""
    load_object("winograd", isa(), lambda: build(isa()), __name__)


tile_input = external("winograd_input", _INPUT)
tile_output = external("winograd_output", _OUTPUT)
tile_gradient = external("winograd_gradient", _GRADIENT)
tile_weights = external("winograd_weights", _WEIGHTS)
tile_weights_back = external("winograd_weights_back", _BACK)
