"""The gradient of a 3x3 window's weights from Winograd's transformed tiles: products, transform and tree in registers.

    back(like, v, z, bounds, leaves, dw, tap, row, half, stack)

For a block of ``lanes`` input channels c and ``lanes`` output channels, and with ``v`` and ``z`` (tiles, 36, lanes),

    dw[3 i + j][c] = sum along the tree over leaves l of  (G^T U_l G)[i][j],
    U_l = sum over tiles t in bounds[l] .. bounds[l + 1] of v[t][.][c] z[t][.]

so 36 products, of which the elements of one column of the 6x6 matrix U stay in registers until G^T is applied to them.
``dw`` is ``tap`` elements from tap to tap and ``row`` from channel to channel; ``half`` and ``stack`` have ``room``.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import llvmlite.binding as llvm
import llvmlite.ir as ir

from sparkdl.kernel import isa
from sparkdl.nn.kernels.block import LANES, external
from sparkdl.nn.kernels.microkernel import I64, PTR, VOID, Loop, Width, load_object
from sparkdl.nn.kernels.tree_tile import climb, long_at
from sparkdl.nn.kernels.winograd_tiles import Sums, transform_back

_ARGUMENTS = ("v", "z", "bounds", "leaves", "dw", "tap", "row", "half", "stack")
_TYPE = ir.FunctionType(VOID, [I64 if name in ("leaves", "tap", "row") else PTR for name in _ARGUMENTS])
_ROWS = {"avx512": 4, "avx2": 2, "plain": 2}  # channels at a time: six sums of each stay in registers


def room(leaves: int) -> tuple[int, int]:
    """Elements of ``half`` and of ``stack``."""
    lanes = LANES[4]
    return 18 * lanes * lanes, max(1, leaves.bit_length()) * 9 * lanes * lanes


def _column(b: ir.IRBuilder, w: Width, v: Any, z: Any, start: Any, stop: Any, half: Any) -> None:
    """``half[r][i]`` = G^T of one column of U, for all channels r of the block; ``half`` is 18 vectors from r to r."""
    rows = _ROWS[w.isa]
    sums = [[b.alloca(w.vector) for _ in range(6)] for _ in range(rows)]
    with Loop(b, I64(w.lanes), step=rows) as r:
        for each in sums:
            for i in range(6):
                b.store(ir.Constant(w.vector, None), each[i])
        with Loop(b, stop, start=start) as t:
            at = b.mul(t, I64(36 * w.lanes))
            for i in range(6):
                slope = w.load(b, w.pointer(b, z, b.add(at, I64(i * w.lanes))))
                for p in range(rows):
                    value = b.load(w.pointer(b, v, b.add(b.add(at, r), I64(i * w.lanes + p))))
                    value.align = w.size
                    b.store(w.fma(b, w.splat(b, value), slope, b.load(sums[p][i])), sums[p][i])
        for p in range(rows):
            to = b.mul(b.add(r, I64(p)), I64(18 * w.lanes))
            for i, value in enumerate(transform_back(Sums(b, w), [b.load(each) for each in sums[p]])):
                w.store(b, value, w.pointer(b, half, b.add(to, I64(i * 6 * w.lanes))))


def build(name: str) -> ir.Module:
    module, w = ir.Module("sparkdl_winograd_back"), Width(name, "f32")
    module.triple = llvm.get_default_triple()
    function = ir.Function(module, _TYPE, "sparkdl_winograd_back_f32")
    arg = dict(zip(_ARGUMENTS, function.args, strict=True))
    b = ir.IRBuilder(function.append_basic_block("entry"))
    places = [(i, j) for i in range(3) for j in range(3)]
    total = {place: b.alloca(w.vector) for place in places}
    with Loop(b, arg["leaves"]) as leaf:
        start, stop = long_at(b, arg["bounds"], leaf), long_at(b, arg["bounds"], b.add(leaf, I64(1)))
        with Loop(b, I64(6)) as column:
            first = b.mul(column, I64(6 * w.lanes))
            v, z = (w.pointer(b, arg[n], first) for n in ("v", "z"))
            _column(b, w, v, z, start, stop, w.pointer(b, arg["half"], b.mul(column, I64(w.lanes))))
        with Loop(b, I64(w.lanes)) as r:
            half = w.pointer(b, arg["half"], b.mul(r, I64(18 * w.lanes)))
            for i in range(3):
                line = [w.load(b, w.pointer(b, half, I64((6 * i + j) * w.lanes))) for j in range(6)]
                for j, value in enumerate(transform_back(Sums(b, w), line)):
                    b.store(value, total[i, j])

            def on_stack(level: Any, place: tuple[int, int], r: Any = r) -> Any:
                at = b.mul(b.add(b.mul(level, I64(w.lanes)), r), I64(9 * w.lanes))
                return w.pointer(b, arg["stack"], b.add(at, I64((3 * place[0] + place[1]) * w.lanes)))

            def store(place: tuple[int, int], r: Any = r) -> None:
                at = b.add(b.mul(arg["tap"], I64(3 * place[0] + place[1])), b.mul(arg["row"], r))
                w.store(b, b.load(total[place]), w.pointer(b, arg["dw"], at))

            climb(b, w, total, leaf, arg["leaves"], on_stack, store)
    b.ret_void()
    return module


@cache
def load_back() -> None:
    """Makes the function known, before compiled code that refers to it is loaded."""
    load_object("winograd_back", isa(), lambda: build(isa()), __name__)


tile_back = external("winograd_back", _TYPE)
