"""Register tiles that sum leaf by leaf and then up the tree of ``sparkdl.tree``, without leaving the nearest cache.

    tree_block(like, a, roff, sk, toff, boff, lens, bounds, leaves, b, bs, c, coff, M, N, stack)

For rows p and columns j, ``C[coff[p] + j]`` becomes the sum along the tree over leaves l of

    sum over t in bounds[l] .. bounds[l + 1], k < lens[t] of A[roff[p] + toff[t] + k sk] * B[boff[t] + k bs + j]

each leaf's in the order (t, k), one fused multiply-add after the other. Sums of whole subtrees wait on ``stack`` (room
for ``stack_size(leaves, itemsize)`` elements) until their sibling is there: stored once, added from memory once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import llvmlite.binding as llvm
import llvmlite.ir as ir

from sparkdl.kernel import isa
from sparkdl.nn.kernels import microkernel
from sparkdl.nn.kernels.block import LANES, external
from sparkdl.nn.kernels.microkernel import I64, PTR, VOID, Loop, Width, declare, load_object, width

TILE_ARGUMENTS = (
    "a", "roff", "sk", "toff", "boff", "lens", "bounds", "leaves", "b", "bs", "c", "coff", "n", "stack"
)  # fmt: skip
_POINTERS = {"a", "roff", "toff", "boff", "lens", "bounds", "b", "c", "coff", "stack"}
TILE_TYPE = ir.FunctionType(VOID, [PTR if name in _POINTERS else I64 for name in TILE_ARGUMENTS])
BLOCK_ARGUMENTS = (*TILE_ARGUMENTS[:-2], "M", "N", "stack")
BLOCK_TYPE = ir.FunctionType(VOID, [PTR if name in _POINTERS else I64 for name in BLOCK_ARGUMENTS])
_LARGEST = 24  # vectors of a tile


def stack_size(leaves: int, itemsize: int) -> int:
    """Elements of ``stack``: one tile per level of the tree."""
    return max(1, leaves.bit_length()) * _LARGEST * LANES[itemsize]


def long_at(b: ir.IRBuilder, base: Any, i: Any) -> Any:
    """The whole number at ``base[i]``."""
    return b.load(b.gep(b.bitcast(base, I64.as_pointer()), [i]))


def climb(
    b: ir.IRBuilder, w: Width, acc: dict[Any, Any], leaf: Any, leaves: Any, on_stack: Callable[[Any, Any], Any],
    store: Callable[[Any], None],
) -> None:  # fmt: skip
    """After leaf number ``leaf`` was summed up in the variables ``acc``: what of the tree is whole now is added up.

    ``on_stack(level, place)`` is where the sums of whole subtrees wait; ``store(place)`` takes the sum of all leaves.
    """
    following = b.add(leaf, I64(1))
    waiting = b.call(declare(b.module, "llvm.ctpop.i64", ir.FunctionType(I64, [I64])), [leaf])  # subtrees on the stack
    last = b.icmp_signed("==", following, leaves)
    before = b.block
    head, body, end = (b.append_basic_block(n) for n in ("climb", "add", "climbed"))
    b.branch(head)
    b.position_at_end(head)  # while a whole subtree of the same size, or after the last leaf any, is on the stack
    top, done = b.phi(I64), b.phi(I64)
    even = b.icmp_signed("==", b.and_(done, I64(1)), I64(0))
    b.cbranch(b.and_(b.icmp_signed(">", top, I64(0)), b.or_(even, last)), body, end)
    b.position_at_end(body)
    below = b.sub(top, I64(1))
    for place in acc:
        b.store(b.fadd(w.load(b, on_stack(below, place)), b.load(acc[place])), acc[place])
    for phi, first, following_ in ((top, waiting, below), (done, following, b.ashr(done, I64(1)))):
        phi.add_incoming(first, before)
        phi.add_incoming(following_, b.block)
    b.branch(head)
    b.position_at_end(end)
    with b.if_else(last) as (final, more):
        with final:
            for place in acc:
                store(place)
        with more:
            for place in acc:
                w.store(b, b.load(acc[place]), on_stack(top, place))


def _tile(module: ir.Module, w: Width, rows: int, vectors: int, partial: bool = True) -> ir.Function:
    """``n`` of the columns are real: more than ``(vectors - 1) lanes``, all unless ``partial``."""
    name = f"sparkdl_tile_tree_{w.kind}_{rows}x{vectors}{'' if partial else '_full'}"
    function = ir.Function(module, TILE_TYPE, name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    arg = dict(zip(TILE_ARGUMENTS, function.args, strict=True))
    b = ir.IRBuilder(function.append_basic_block("entry"))
    masks: list[Any] = [None] * vectors
    if partial:
        masks[-1] = w.mask(b, b.sub(arg["n"], I64((vectors - 1) * w.lanes)))
    if partial and w.isa == "plain":  # as in microkernel.tile
        full, rest = b.append_basic_block("full"), b.append_basic_block("partial")
        b.cbranch(b.icmp_signed("==", arg["n"], I64(vectors * w.lanes)), full, rest)
        b.position_at_end(full)
        b.call(_tile(module, w, rows, vectors, partial=False), function.args)
        b.ret_void()
        b.position_at_end(rest)
    places = [(p, j) for p in range(rows) for j in range(vectors)]
    roff = [long_at(b, arg["roff"], I64(p)) for p in range(rows)]
    acc = {place: b.alloca(w.vector) for place in places}

    def on_stack(level: Any, place: tuple[int, int]) -> Any:
        p, j = place
        at = b.mul(level, I64(rows * vectors * w.lanes))
        return w.pointer(b, arg["stack"], b.add(at, I64((p * vectors + j) * w.lanes)))

    def at_c(place: tuple[int, int]) -> Any:
        return w.pointer(b, arg["c"], b.add(long_at(b, arg["coff"], I64(place[0])), I64(place[1] * w.lanes)))

    for place in places:
        w.fetch_to_write(b, at_c(place))
    with Loop(b, arg["leaves"]) as leaf:
        for place in places:
            b.store(ir.Constant(w.vector, None), acc[place])
        with Loop(b, long_at(b, arg["bounds"], b.add(leaf, I64(1))), start=long_at(b, arg["bounds"], leaf)) as t:
            source = w.pointer(b, arg["a"], long_at(b, arg["toff"], t))
            weights = w.pointer(b, arg["b"], long_at(b, arg["boff"], t))
            with Loop(b, long_at(b, arg["lens"], t)) as k:
                row, at = w.pointer(b, weights, b.mul(k, arg["bs"])), w.pointer(b, source, b.mul(k, arg["sk"]))
                values = [w.load(b, w.pointer(b, row, I64(j * w.lanes)), masks[j]) for j in range(vectors)]
                for p in range(rows):
                    value = b.load(w.pointer(b, at, roff[p]))
                    value.align = w.size
                    value = w.splat(b, value)
                    for j in range(vectors):
                        b.store(w.fma(b, value, values[j], b.load(acc[p, j])), acc[p, j])

        def store(place: tuple[int, int]) -> None:
            w.store(b, b.load(acc[place]), at_c(place), masks[place[1]])

        climb(b, w, acc, leaf, arg["leaves"], on_stack, store)
    b.ret_void()
    return function


def _block(module: ir.Module, w: Width) -> None:
    """M rows and N columns, cut as ``microkernel.block`` cuts them."""
    function = ir.Function(module, BLOCK_TYPE, f"sparkdl_tree_block_{w.kind}")
    arg = dict(zip(BLOCK_ARGUMENTS, function.args, strict=True))
    b = ir.IRBuilder(function.append_basic_block("entry"))
    longs = I64.as_pointer()
    total = b.sdiv(b.add(arg["N"], I64(w.lanes - 1)), I64(w.lanes))
    panels = b.sdiv(b.add(total, I64(w.vectors - 1)), I64(w.vectors))
    with Loop(b, panels) as panel:
        first = b.sdiv(b.mul(panel, total), panels)
        stop = b.sdiv(b.mul(b.add(panel, I64(1)), total), panels)
        column, count = b.mul(first, I64(w.lanes)), b.sub(stop, first)
        rest, width = b.sub(arg["N"], column), b.mul(count, I64(w.lanes))
        inside = {
            **arg, "n": b.select(b.icmp_signed("<", rest, width), rest, width),
            "b": b.bitcast(w.pointer(b, arg["b"], column), PTR), "c": b.bitcast(w.pointer(b, arg["c"], column), PTR),
        }  # fmt: skip
        done = b.append_basic_block("done")
        switch = b.switch(count, done)
        for vectors, rows_of in w.rows.items():
            switch.add_case(I64(vectors), case := b.append_basic_block(f"v{vectors}"))
            b.position_at_end(case)
            start: Any = I64(0)
            for rows in rows_of:
                end = b.add(start, b.mul(b.sdiv(b.sub(arg["M"], start), I64(rows)), I64(rows)))
                tile = _tile(module, w, rows, vectors)
                with Loop(b, end, start=start, step=rows) as p:
                    for name in ("roff", "coff"):
                        inside[name] = b.bitcast(b.gep(b.bitcast(arg[name], longs), [p]), PTR)
                    b.call(tile, [inside[name] for name in TILE_ARGUMENTS])
                start = end
            b.branch(done)
        b.position_at_end(done)
    b.ret_void()


def build(name: str, kind: str) -> ir.Module:
    """The module of one instruction set and element type."""
    module = ir.Module(f"sparkdl_tree_tile_{kind}")
    module.triple = llvm.get_default_triple()
    _block(module, width(name, kind))
    return module


def assembly(name: str) -> str:
    """What the machine runs, of both element types, for inspection."""
    target = microkernel._target(name)
    return "".join(target.emit_assembly(microkernel.compile_module(name, build(name, kind))) for kind in ("f32", "f64"))


@cache
def load(kind: str) -> None:
    """Makes the functions of an element type known, before compiled code that refers to them is loaded."""
    load_object(f"tree_tile-{kind}", isa(), lambda: build(isa(), kind), __name__)


tree_block = external("tree_block", BLOCK_TYPE)
