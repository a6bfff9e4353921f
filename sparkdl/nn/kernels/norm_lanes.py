"""The inner loops of batch normalisation with its ReLU and 2x2 maximum, on vectors of channels, as LLVM IR.

``x``, ``y``, ``dy``, ``dx`` are ``pixels`` runs of ``channels`` values. ``p`` holds rows of ``channels`` parameters:
scale, shift (y = scale x + shift), mean, 1/deviation and, for the gradient of x, k, a, b (dx = k (g - a - b xhat)).
``relu`` is 0 or 1. Sums are float64: ``sums[0, c]`` and ``sums[1, c]``. With the maximum, ``row`` and ``column`` are
the strides of ``x`` in elements, and ``index`` says which of the four won, 4 where ReLU cut it off.

    sums(like, x, sums, pixels, channels)                        of x and x^2
    apply(like, x, y, p, relu, pixels, channels)
    grad_sums(like, x, dy, p, relu, sums, pixels, channels)      of g = dy relu' and g xhat
    grad(like, x, dy, dx, p, relu, pixels, channels)
    pool(like, x, row, column, y, index, p, relu, pixels, channels)
    pool_grad_sums(like, x, row, column, dy, index, p, sums, pixels, channels)
    pool_grad(like, x, row, column, dy, index, dx, p, pixels, channels)      dx has the strides of x
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
import llvmlite.ir as ir

from sparkdl.nn.kernels.block import external, provide
from sparkdl.nn.kernels.lanes import Vectors, corners, load_bytes, splat_byte, start, store_bytes
from sparkdl.nn.kernels.microkernel import I64, PTR, VOID, Loop, Width

_P, _N = PTR, I64
KINDS = {
    "sums": ir.FunctionType(VOID, [_P, _P, _N, _N]),
    "apply": ir.FunctionType(VOID, [_P, _P, _P, _N, _N, _N]),
    "grad_sums": ir.FunctionType(VOID, [_P, _P, _P, _N, _P, _N, _N]),
    "grad": ir.FunctionType(VOID, [_P, _P, _P, _P, _N, _N, _N]),
    "pool": ir.FunctionType(VOID, [_P, _N, _N, _P, _P, _P, _N, _N, _N]),
    "pool_grad_sums": ir.FunctionType(VOID, [_P, _N, _N, _P, _P, _P, _P, _N, _N]),
    "pool_grad": ir.FunctionType(VOID, [_P, _N, _N, _P, _P, _P, _P, _N, _N]),
}


class _Emit:
    """What all the functions share: one function's builder, its arguments and its parameters at a channel."""

    def __init__(self, module: ir.Module, w: Width, name: str) -> None:
        self.w = w
        self.b, self.args = start(module, w, f"norm_{name}", KINDS[name])
        self.zero = ir.Constant(w.vector, None)
        self.double = ir.VectorType(ir.DoubleType(), w.lanes)

    def load(self, base: Any, offset: Any, mask: Any) -> Any:
        return self.w.load(self.b, self.w.pointer(self.b, base, offset), mask)

    def store(self, value: Any, base: Any, offset: Any, mask: Any) -> None:
        self.w.store(self.b, value, self.w.pointer(self.b, base, offset), mask)

    def parameters(self, p: Any, rows: range, channels: Any, c: Any, mask: Any) -> list[Any]:
        return [self.load(p, self.b.add(self.b.mul(channels, I64(n)), c), mask) for n in rows]

    def wide(self, x: Any) -> Any:
        return x if x.type == self.double else self.b.fpext(x, self.double)

    def totals(self) -> list[Any]:
        return [self.b.alloca(self.double) for _ in range(2)]

    def clear(self, totals: list[Any]) -> None:
        for slot in totals:
            self.b.store(ir.Constant(self.double, None), slot)

    def accumulate(self, totals: list[Any], values: list[Any]) -> None:
        for slot, value in zip(totals, values, strict=True):
            self.b.store(self.b.fadd(self.b.load(slot), value), slot)

    def flush(self, totals: list[Any], sums: Any, channels: Any, c: Any) -> None:
        """Adds to the sums in memory, lane by lane (channels may end inside a vector)."""
        b = self.b
        doubles = ir.DoubleType().as_pointer()
        rest = b.sub(channels, c)
        for n, slot in enumerate(totals):
            value = b.load(slot)
            for lane in range(self.w.lanes):
                with b.if_then(b.icmp_signed("<", I64(lane), rest)):
                    at = b.gep(
                        b.bitcast(sums, doubles), [b.add(b.mul(channels, I64(n)), b.add(c, I64(lane)))]
                    )
                    b.store(b.fadd(b.load(at), b.extract_element(value, ir.IntType(32)(lane))), at)

    def normal(self, x: Any, mean: Any, inverse: Any) -> Any:
        return self.b.fmul(self.b.fsub(x, mean), inverse)

    def alive(self, x: Any, scale: Any, shift: Any, relu: Any) -> Any:
        """Where the gradient passes: the same test on the same number as in the forward pass."""
        b = self.b
        positive = b.fcmp_ordered(">", self.w.fma(b, x, scale, shift), self.zero)
        off = b.icmp_signed("==", relu, I64(0))
        return b.or_(positive, self.w.splat(b, off, ir.VectorType(ir.IntType(1), self.w.lanes)))


def _sums(module: ir.Module, w: Width) -> None:
    e = _Emit(module, w, "sums")
    b, (x, sums, pixels, channels) = e.b, e.args
    totals = e.totals()
    with Vectors(b, w, channels) as (c, mask):
        e.clear(totals)
        with Loop(b, pixels) as p:
            value = e.wide(e.load(x, b.add(b.mul(p, channels), c), mask))
            e.accumulate(totals, [value, b.fmul(value, value)])
        e.flush(totals, sums, channels, c)
    b.ret_void()


def _apply(module: ir.Module, w: Width) -> None:
    e = _Emit(module, w, "apply")
    b, (x, y, parameters, relu, pixels, channels) = e.b, e.args
    with Loop(b, pixels) as p, Vectors(b, w, channels) as (c, mask):
        scale, shift = e.parameters(parameters, range(2), channels, c, mask)
        at = b.add(b.mul(p, channels), c)
        value = w.fma(b, e.load(x, at, mask), scale, shift)
        cut = b.and_(
            b.fcmp_ordered("<", value, e.zero),
            w.splat(b, b.icmp_signed("!=", relu, I64(0)), ir.VectorType(ir.IntType(1), w.lanes)),
        )
        e.store(b.select(cut, e.zero, value), y, at, mask)
    b.ret_void()


def _grad_sums(module: ir.Module, w: Width) -> None:
    e = _Emit(module, w, "grad_sums")
    b, (x, dy, parameters, relu, sums, pixels, channels) = e.b, e.args
    totals = e.totals()
    with Vectors(b, w, channels) as (c, mask):
        scale, shift, mean, inverse = e.parameters(parameters, range(4), channels, c, mask)
        e.clear(totals)
        with Loop(b, pixels) as p:
            at = b.add(b.mul(p, channels), c)
            value = e.load(x, at, mask)
            g = b.select(e.alive(value, scale, shift, relu), e.load(dy, at, mask), e.zero)
            e.accumulate(totals, [e.wide(g), e.wide(b.fmul(g, e.normal(value, mean, inverse)))])
        e.flush(totals, sums, channels, c)
    b.ret_void()


def _dx(e: _Emit, x: Any, g: Any, mean: Any, inverse: Any, k: Any, a: Any, slope: Any) -> Any:
    b = e.b
    return b.fmul(k, b.fsub(b.fsub(g, a), b.fmul(slope, e.normal(x, mean, inverse))))


def _grad(module: ir.Module, w: Width) -> None:
    e = _Emit(module, w, "grad")
    b, (x, dy, dx, parameters, relu, pixels, channels) = e.b, e.args
    with Loop(b, pixels) as p, Vectors(b, w, channels) as (c, mask):
        scale, shift, mean, inverse, k, a, slope = e.parameters(parameters, range(7), channels, c, mask)
        at = b.add(b.mul(p, channels), c)
        value = e.load(x, at, mask)
        g = b.select(e.alive(value, scale, shift, relu), e.load(dy, at, mask), e.zero)
        e.store(_dx(e, value, g, mean, inverse, k, a, slope), dx, at, mask)
    b.ret_void()


def _pool(module: ir.Module, w: Width) -> None:
    e = _Emit(module, w, "pool")
    b, (x, row, column, y, index, parameters, relu, pixels, channels) = e.b, e.args
    places = corners(b, row, column)
    with Loop(b, pixels) as p, Vectors(b, w, channels) as (c, mask):
        scale, shift = e.parameters(parameters, range(2), channels, c, mask)
        here = b.add(b.mul(b.mul(p, I64(2)), column), c)
        best = w.fma(b, e.load(x, here, mask), scale, shift)
        which = splat_byte(w, 0)
        for n in (1, 2, 3):
            value = w.fma(b, e.load(x, b.add(here, places[n]), mask), scale, shift)
            better = b.or_(b.fcmp_ordered(">", value, best), b.fcmp_unordered("!=", value, value))
            best, which = b.select(better, value, best), b.select(better, splat_byte(w, n), which)
        dead = b.and_(
            b.fcmp_ordered("<=", best, e.zero),
            w.splat(b, b.icmp_signed("!=", relu, I64(0)), ir.VectorType(ir.IntType(1), w.lanes)),
        )
        there = b.add(b.mul(p, channels), c)
        e.store(b.select(dead, e.zero, best), y, there, mask)
        store_bytes(b, w, b.gep(index, [there]), mask, b.select(dead, splat_byte(w, 4), which))
    b.ret_void()


def _pool_grad_sums(module: ir.Module, w: Width) -> None:
    e = _Emit(module, w, "pool_grad_sums")
    b, (x, row, column, dy, index, parameters, sums, pixels, channels) = e.b, e.args
    places = corners(b, row, column)
    totals = e.totals()
    with Vectors(b, w, channels) as (c, mask):
        mean, inverse = e.parameters(parameters, range(2, 4), channels, c, mask)
        e.clear(totals)
        with Loop(b, pixels) as p:
            there = b.add(b.mul(p, channels), c)
            here = b.add(b.mul(b.mul(p, I64(2)), column), c)
            which = load_bytes(b, w, b.gep(index, [there]), mask)
            value = e.load(x, here, mask)
            for n in (1, 2, 3):
                own = b.icmp_signed("==", which, splat_byte(w, n))
                value = b.select(own, e.load(x, b.add(here, places[n]), mask), value)
            g = b.select(b.icmp_signed("==", which, splat_byte(w, 4)), e.zero, e.load(dy, there, mask))
            e.accumulate(totals, [e.wide(g), e.wide(b.fmul(g, e.normal(value, mean, inverse)))])
        e.flush(totals, sums, channels, c)
    b.ret_void()


def _pool_grad(module: ir.Module, w: Width) -> None:
    e = _Emit(module, w, "pool_grad")
    b, (x, row, column, dy, index, dx, parameters, pixels, channels) = e.b, e.args
    places = corners(b, row, column)
    with Loop(b, pixels) as p, Vectors(b, w, channels) as (c, mask):
        mean, inverse, k, a, slope = e.parameters(parameters, range(2, 7), channels, c, mask)
        there = b.add(b.mul(p, channels), c)
        here = b.add(b.mul(b.mul(p, I64(2)), column), c)
        which, g = load_bytes(b, w, b.gep(index, [there]), mask), e.load(dy, there, mask)
        for n in range(4):
            at = b.add(here, places[n])
            own = b.select(b.icmp_signed("==", which, splat_byte(w, n)), g, e.zero)
            e.store(_dx(e, e.load(x, at, mask), own, mean, inverse, k, a, slope), dx, at, mask)
    b.ret_void()


def build(name: str, kind: str) -> ir.Module:
    module = ir.Module(f"sparkdl_norm_{kind}")
    module.triple = llvm.get_default_triple()
    w = Width(name, kind)
    for emit in (_sums, _apply, _grad_sums, _grad, _pool, _pool_grad_sums, _pool_grad):
        emit(module, w)
    return module


provide("norm", build, __name__)

sums, apply, grad_sums, grad = (external(f"norm_{n}", KINDS[n]) for n in ("sums", "apply", "grad_sums", "grad"))
pool, pool_grad_sums, pool_grad = (external(f"norm_{n}", KINDS[n]) for n in ("pool", "pool_grad_sums", "pool_grad"))
