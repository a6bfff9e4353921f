"""Loops over short runs of channels, which LLVM would leave to scalar code: whole vectors with the last one masked.

    pool_row(like, x, row, column, y, index, pixels, channels)      2x2 maxima of two rows, and which of the four it was
    unpool_row(like, g, index, x, row, column, sums, pixels, channels)   its adjoint; adds g up per channel in ``sums``
    add_runs(like, to, step, source, runs, length)                  to[i step + j] += source[i length + j]

Addresses and strides (in elements) are integers; ``like`` is an array that gives the dtype.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
import llvmlite.ir as ir

from sparkdl.nn.kernels.block import external, provide
from sparkdl.nn.kernels.microkernel import I32, I64, PTR, VOID, Loop, Width, declare

BYTE = ir.IntType(8)
POOL = ir.FunctionType(VOID, [PTR, I64, I64, PTR, PTR, I64, I64])
UNPOOL = ir.FunctionType(VOID, [PTR, PTR, PTR, I64, I64, PTR, I64, I64])
ADD = ir.FunctionType(VOID, [PTR, I64, PTR, I64, I64])


def start(module: ir.Module, w: Width, name: str, kind: ir.FunctionType) -> tuple[ir.IRBuilder, Any]:
    function = ir.Function(module, kind, f"sparkdl_{name}_{w.kind}")
    return ir.IRBuilder(function.append_basic_block("entry")), function.args


class Vectors:
    """``with Vectors(b, w, n) as (offset, mask)``: the vectors that cover ``n`` elements."""

    def __init__(self, b: ir.IRBuilder, w: Width, n: Any) -> None:
        self.b, self.w, self.n, self.loop = b, w, n, Loop(b, n, step=w.lanes)

    def __enter__(self) -> tuple[Any, Any]:
        offset = self.loop.__enter__()
        return offset, self.w.mask(self.b, self.b.sub(self.n, offset))

    def __exit__(self, *error: Any) -> None:
        self.loop.__exit__(*error)


def load_bytes(b: ir.IRBuilder, w: Width, at: Any, mask: Any) -> Any:
    """One byte per lane."""
    kind = ir.VectorType(BYTE, w.lanes)
    at = b.bitcast(at, kind.as_pointer())
    function = ir.FunctionType(kind, [at.type, I32, mask.type, kind])
    return b.call(
        declare(b.module, f"llvm.masked.load.v{w.lanes}i8.p0", function), [at, I32(1), mask, ir.Constant(kind, None)]
    )


def store_bytes(b: ir.IRBuilder, w: Width, at: Any, mask: Any, value: Any) -> None:
    at = b.bitcast(at, value.type.as_pointer())
    function = ir.FunctionType(VOID, [value.type, at.type, I32, mask.type])
    b.call(declare(b.module, f"llvm.masked.store.v{w.lanes}i8.p0", function), [value, at, I32(1), mask])


def splat_byte(w: Width, n: int) -> ir.Constant:
    return ir.Constant(ir.VectorType(BYTE, w.lanes), [n] * w.lanes)


def corners(b: ir.IRBuilder, row: Any, column: Any) -> list[Any]:
    return [I64(0), column, row, b.add(row, column)]


def _pool(module: ir.Module, w: Width) -> None:
    b, (x, row, column, y, index, pixels, channels) = start(module, w, "pool_row", POOL)
    places = corners(b, row, column)
    with Loop(b, pixels) as p, Vectors(b, w, channels) as (c, mask):
        here = b.add(b.mul(b.mul(p, I64(2)), column), c)
        best, which = w.load(b, w.pointer(b, x, here), mask), splat_byte(w, 0)
        for n in (1, 2, 3):
            value = w.load(b, w.pointer(b, x, b.add(here, places[n])), mask)
            better = b.or_(b.fcmp_ordered(">", value, best), b.fcmp_unordered("!=", value, value))  # NaN wins
            best, which = b.select(better, value, best), b.select(better, splat_byte(w, n), which)
        there = b.add(b.mul(p, channels), c)
        w.store(b, best, w.pointer(b, y, there), mask)
        store_bytes(b, w, b.gep(index, [there]), mask, which)
    b.ret_void()


def _unpool(module: ir.Module, w: Width) -> None:
    b, (g, index, x, row, column, sums, pixels, channels) = start(module, w, "unpool_row", UNPOOL)
    places = corners(b, row, column)
    zero = ir.Constant(w.vector, None)
    total = b.alloca(w.vector)
    with Vectors(b, w, channels) as (c, mask):
        at_sums = w.pointer(b, sums, c)
        b.store(w.load(b, at_sums, mask), total)
        with Loop(b, pixels) as p:
            there = b.add(b.mul(p, channels), c)
            value = w.load(b, w.pointer(b, g, there), mask)
            which = load_bytes(b, w, b.gep(index, [there]), mask)
            here = b.add(b.mul(b.mul(p, I64(2)), column), c)
            for n, corner in enumerate(places):
                own = b.select(b.icmp_signed("==", which, splat_byte(w, n)), value, zero)
                w.store(b, own, w.pointer(b, x, b.add(here, corner)), mask)
            b.store(b.fadd(b.load(total), value), total)
        w.store(b, b.load(total), at_sums, mask)
    b.ret_void()


def _add(module: ir.Module, w: Width) -> None:
    b, (to, step, source, runs, length) = start(module, w, "add_runs", ADD)
    with Loop(b, runs) as i, Vectors(b, w, length) as (c, mask):
        at = w.pointer(b, to, b.add(b.mul(i, step), c))
        more = w.load(b, w.pointer(b, source, b.add(b.mul(i, length), c)), mask)
        w.store(b, b.fadd(w.load(b, at, mask), more), at, mask)
    b.ret_void()


def build(name: str, kind: str) -> ir.Module:
    module = ir.Module(f"sparkdl_lanes_{kind}")
    module.triple = llvm.get_default_triple()
    w = Width(name, kind)
    _pool(module, w)
    _unpool(module, w)
    _add(module, w)
    return module


provide("lanes", build, __name__)

pool_row = external("pool_row", POOL)
unpool_row = external("unpool_row", UNPOOL)
add_runs = external("add_runs", ADD)
