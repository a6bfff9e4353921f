"""The inner loops of depthwise convolutions (each channel by itself), on vectors of channels, as LLVM IR.

    depthwise(like, a, roff, toff, nt, w, c, coff, M, channels, bias, with_bias)
        c[coff[p]] = bias + sum over t of a[roff[p] + toff[t]] * w[t]        for M pixels
    depthwise_grad(like, a, roff, toff, nt, dy, coff, dw, M, channels)
        dw[t] = sum over p of a[roff[p] + toff[t]] * dy[coff[p]]

Everything is a run of ``channels`` values; sums go tap by tap, or pixel by pixel.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
import llvmlite.ir as ir

from sparkdl.nn.kernels.block import external, provide
from sparkdl.nn.kernels.lanes import Vectors, start
from sparkdl.nn.kernels.microkernel import I64, PTR, VOID, Loop, Width

FORWARD = ir.FunctionType(VOID, [PTR, PTR, PTR, I64, PTR, PTR, PTR, I64, I64, PTR, I64])
GRADIENT = ir.FunctionType(VOID, [PTR, PTR, PTR, I64, PTR, PTR, PTR, I64, I64])
_TOGETHER = 4  # pixels (forward) or taps (gradient) that share what is loaded


def _entry(b: ir.IRBuilder, table: Any, i: Any) -> Any:
    return b.load(b.gep(b.bitcast(table, I64.as_pointer()), [i]))


def _forward(module: ir.Module, w: Width) -> None:
    b, (a, roff, toff, nt, weights, c, coff, pixels, channels, bias, with_bias) = start(module, w, "depthwise", FORWARD)
    acc = [b.alloca(w.vector) for _ in range(_TOGETHER)]
    whole = b.and_(pixels, I64(-_TOGETHER))

    def run(first: Any, stop: Any, count: int, lane: Any, mask: Any, begin: Any) -> None:
        with Loop(b, stop, start=first, step=count) as p:
            places = [_entry(b, roff, b.add(p, I64(q))) for q in range(count)]
            for q in range(count):
                b.store(begin, acc[q])
            with Loop(b, nt) as t:
                weight = w.load(b, w.pointer(b, weights, b.add(b.mul(t, channels), lane)), mask)
                tap = b.add(_entry(b, toff, t), lane)
                for q in range(count):
                    value = w.load(b, w.pointer(b, a, b.add(places[q], tap)), mask)
                    b.store(w.fma(b, value, weight, b.load(acc[q])), acc[q])
            for q in range(count):
                to = b.add(_entry(b, coff, b.add(p, I64(q))), lane)
                w.store(b, b.load(acc[q]), w.pointer(b, c, to), mask)

    begin = b.alloca(w.vector)
    with Vectors(b, w, channels) as (lane, mask):
        b.store(ir.Constant(w.vector, None), begin)
        with b.if_then(b.icmp_signed("!=", with_bias, I64(0))):
            b.store(w.load(b, w.pointer(b, bias, lane), mask), begin)
        run(I64(0), whole, _TOGETHER, lane, mask, b.load(begin))
        run(whole, pixels, 1, lane, mask, b.load(begin))
    b.ret_void()


def _gradient(module: ir.Module, w: Width) -> None:
    b, (a, roff, toff, nt, dy, coff, dw, pixels, channels) = start(module, w, "depthwise_grad", GRADIENT)
    acc = [b.alloca(w.vector) for _ in range(_TOGETHER)]
    whole = b.and_(nt, I64(-_TOGETHER))

    def run(first: Any, stop: Any, count: int, lane: Any, mask: Any) -> None:
        with Loop(b, stop, start=first, step=count) as t:
            taps = [b.add(_entry(b, toff, b.add(t, I64(q))), lane) for q in range(count)]
            for q in range(count):
                b.store(ir.Constant(w.vector, None), acc[q])
            with Loop(b, pixels) as p:
                g = w.load(b, w.pointer(b, dy, b.add(_entry(b, coff, p), lane)), mask)
                place = _entry(b, roff, p)
                for q in range(count):
                    value = w.load(b, w.pointer(b, a, b.add(place, taps[q])), mask)
                    b.store(w.fma(b, value, g, b.load(acc[q])), acc[q])
            for q in range(count):
                to = b.add(b.mul(b.add(t, I64(q)), channels), lane)
                w.store(b, b.load(acc[q]), w.pointer(b, dw, to), mask)

    with Vectors(b, w, channels) as (lane, mask):
        run(I64(0), whole, _TOGETHER, lane, mask)
        run(whole, nt, 1, lane, mask)
    b.ret_void()


def build(name: str, kind: str) -> ir.Module:
    module = ir.Module(f"sparkdl_depthwise_{kind}")
    module.triple = llvm.get_default_triple()
    w = Width(name, kind)
    _forward(module, w)
    _gradient(module, w)
    return module


provide("depthwise", build, __name__)

depthwise = external("depthwise", FORWARD)
depthwise_grad = external("depthwise_grad", GRADIENT)
