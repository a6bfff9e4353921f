"""The innermost loops of matrix products and convolutions: register tiles, written as LLVM IR for any vector width.

One tile holds ``rows x vectors`` accumulators and computes, for its rows p and columns j,

    C[coff[p] + j] = start + sum over t < nt, k < K of A[roff[p] + toff[t] + k sk] * B[t bts + k bs + j]

where ``start`` is 0, the old C or a bias. Every element is summed in the order (t, k), one fused multiply-add after the
other, whatever the tile: so a row's result does not depend on how many rows there are, where it stands, on blocking
over K (which stores and loads exact numbers) or on the width of the vectors. Where sums are long and rounding counts,
pieces of K are summed by themselves and added to C (``ADDED``), at the same cost.

``block`` covers M rows and N columns with tiles. All functions of one instruction set and dtype form one object file,
compiled on first use by LLVM alone and kept on disk; callers see them as external symbols, so that they are never
compiled into their callers.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tempfile
from functools import cache
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import llvmlite.ir as ir

from sparkdl import kernelcache
from sparkdl.kernel import isa

I1, I32, I64, VOID, PTR = ir.IntType(1), ir.IntType(32), ir.IntType(64), ir.VoidType(), ir.IntType(8).as_pointer()
ZERO, STORED, BIAS, ADDED = 0, 1, 2, 3  # what a tile starts from; ADDED: from 0, and the old C is added at the end

BYTES = {"avx512": 64, "avx2": 32, "plain": 16}
# Rows of the tiles by the number of vectors, largest first: with 32 registers up to 24 accumulators, with 16 up to 12.
ROWS = {
    "avx512": {4: (6, 4, 2, 1), 3: (8, 4, 2, 1), 2: (12, 8, 4, 2, 1), 1: (24, 12, 8, 4, 2, 1)},
    "avx2": {2: (6, 4, 2, 1), 1: (12, 8, 4, 2, 1)},  # the mask takes a register too
    "plain": {2: (4, 2, 1), 1: (8, 4, 2, 1)},  # the product takes a register of its own
}
_UNROLL = 4


class Width:
    """Types and vector operations of one instruction set and element type."""

    def __init__(self, name: str, kind: str) -> None:
        self.isa, self.kind = name, kind
        self.real = ir.FloatType() if kind == "f32" else ir.DoubleType()
        self.size = 4 if kind == "f32" else 8
        self.lanes = BYTES[name] // self.size
        self.vector = ir.VectorType(self.real, self.lanes)
        self.rows = ROWS[name]
        self.vectors = max(self.rows)

    def pointer(self, b: ir.IRBuilder, base: Any, offset: Any) -> Any:
        """Address of the element ``offset`` (i64) behind ``base``."""
        return b.gep(b.bitcast(base, self.real.as_pointer()), [offset])

    def load(self, b: ir.IRBuilder, at: Any, mask: Any = None) -> Any:
        at = b.bitcast(at, self.vector.as_pointer())
        if mask is None:
            value = b.load(at)
            value.align = self.size
            return value
        kind = ir.FunctionType(self.vector, [self.vector.as_pointer(), I32, mask.type, self.vector])
        function = self._intrinsic(b, "llvm.masked.load", kind)
        return b.call(function, [at, I32(self.size), mask, ir.Constant(self.vector, None)])

    def store(self, b: ir.IRBuilder, value: Any, at: Any, mask: Any = None) -> None:
        at = b.bitcast(at, self.vector.as_pointer())
        if mask is None:
            b.store(value, at).align = self.size
            return
        kind = ir.FunctionType(VOID, [self.vector, self.vector.as_pointer(), I32, mask.type])
        b.call(self._intrinsic(b, "llvm.masked.store", kind), [value, at, I32(self.size), mask])

    def _intrinsic(self, b: ir.IRBuilder, name: str, kind: Any) -> Any:
        return declare(b.module, f"{name}.v{self.lanes}{self.kind}.p0", kind)

    def mask(self, b: ir.IRBuilder, n: Any) -> Any:
        """The first ``n`` (i64) lanes."""
        lanes = ir.VectorType(I32, self.lanes)
        count = self.splat(b, b.trunc(n, I32), lanes)
        return b.icmp_signed("<", ir.Constant(lanes, list(range(self.lanes))), count)

    def splat(self, b: ir.IRBuilder, value: Any, kind: Any = None) -> Any:
        kind = kind or self.vector
        one = b.insert_element(ir.Constant(kind, ir.Undefined), value, I32(0))
        return b.shuffle_vector(
            one, ir.Constant(kind, ir.Undefined), ir.Constant(ir.VectorType(I32, self.lanes), [0] * self.lanes)
        )

    def fetch_to_write(self, b: ir.IRBuilder, at: Any) -> None:
        """Begins to bring the cache line of ``at``: stores to lines that are far away hold up those after them."""
        kind = ir.FunctionType(VOID, [PTR, I32, I32, I32])
        b.call(declare(b.module, "llvm.prefetch.p0", kind), [b.bitcast(at, PTR), I32(1), I32(3), I32(1)])

    def fma(self, b: ir.IRBuilder, x: Any, y: Any, z: Any) -> Any:
        """``x y + z``, rounded once where the machine can."""
        name = "llvm.fmuladd" if self.isa == "plain" else "llvm.fma"
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        return b.call(declare(b.module, f"{name}.v{self.lanes}{self.kind}", kind), [x, y, z])


class _BFloat(ir.Type):
    """LLVM's bfloat, which llvmlite has no name for."""

    def _to_string(self) -> str:
        return "bfloat"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _BFloat)

    def __hash__(self) -> int:
        return hash(_BFloat)


class Words(Width):
    """Factors are words of two neighbours in bfloat16 (``bf16.py``), moved as if they were numbers of float32.

    ``x y + z`` is ``z``, plus the product of the upper halves, rounded, plus that of the lower halves, rounded.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name, "f32")
        self.kind = "bf16"

    def fma(self, b: ir.IRBuilder, x: Any, y: Any, z: Any) -> Any:
        halves = ir.VectorType(_BFloat(), 2 * self.lanes)
        kind = ir.FunctionType(self.vector, [self.vector, halves, halves])
        function = declare(b.module, "llvm.x86.avx512bf16.dpbf16ps.512", kind)
        return b.call(function, [z, b.bitcast(x, halves), b.bitcast(y, halves)])

    def _intrinsic(self, b: ir.IRBuilder, name: str, kind: Any) -> Any:
        return declare(b.module, f"{name}.v{self.lanes}f32.p0", kind)


def width(name: str, kind: str) -> Width:
    """Of an instruction set, for elements of ``kind`` f32 or f64, or factors of kind bf16 (AVX512_BF16 only)."""
    return Words(name) if kind == "bf16" else Width(name, kind)


def declare(module: ir.Module, name: str, kind: ir.FunctionType) -> Any:
    return module.globals.get(name) or ir.Function(module, kind, name)


class Loop:
    """``with Loop(b, n) as i:`` runs the body for i = 0 .. n - 1 step ``step``, from ``start``."""

    def __init__(self, b: ir.IRBuilder, stop: Any, start: Any = None, step: int = 1) -> None:
        self.b, self.stop, self.start, self.step = b, stop, I64(0) if start is None else start, step

    def __enter__(self) -> Any:
        b = self.b
        before = b.block
        self.head, self.body, self.end = (b.append_basic_block(n) for n in ("head", "body", "end"))
        b.branch(self.head)
        b.position_at_end(self.head)
        self.index = b.phi(I64)
        self.index.add_incoming(self.start, before)
        b.cbranch(b.icmp_signed("<", self.index, self.stop), self.body, self.end)
        b.position_at_end(self.body)
        return self.index

    def __exit__(self, *error: Any) -> None:
        b = self.b
        following = b.add(self.index, I64(self.step))
        self.index.add_incoming(following, b.block)
        b.branch(self.head)
        b.position_at_end(self.end)


TILE_ARGUMENTS = ("a", "roff", "sk", "toff", "nt", "K", "b", "bs", "bts", "c", "coff", "n", "mode", "bias")
_POINTERS = {"a", "roff", "toff", "b", "c", "coff", "bias"}
TILE_TYPE = ir.FunctionType(VOID, [PTR if name in _POINTERS else I64 for name in TILE_ARGUMENTS])


def tile(module: ir.Module, w: Width, rows: int, vectors: int, partial: bool = True) -> ir.Function:
    """One register tile; ``n`` of its columns are real: more than ``(vectors - 1) lanes``, all unless ``partial``."""
    function = ir.Function(module, TILE_TYPE, f"sparkdl_tile_{w.kind}_{rows}x{vectors}{'' if partial else '_full'}")
    function.linkage = "internal"
    function.attributes.add("noinline")
    arg = dict(zip(TILE_ARGUMENTS, function.args, strict=True))
    b = ir.IRBuilder(function.append_basic_block("entry"))
    longs = I64.as_pointer()
    masks: list[Any] = [None] * vectors
    if partial:
        masks[-1] = w.mask(b, b.sub(arg["n"], I64((vectors - 1) * w.lanes)))
    if partial and w.isa == "plain":  # no masks in hardware: LLVM takes such loads apart, so go there only if need be
        full, rest = b.append_basic_block("full"), b.append_basic_block("partial")
        b.cbranch(b.icmp_signed("==", arg["n"], I64(vectors * w.lanes)), full, rest)
        b.position_at_end(full)
        b.call(tile(module, w, rows, vectors, partial=False), function.args)
        b.ret_void()
        b.position_at_end(rest)
    roff = [b.load(b.gep(b.bitcast(arg["roff"], longs), [I64(p)])) for p in range(rows)]
    acc = [[b.alloca(w.vector) for _ in range(vectors)] for _ in range(rows)]

    def at_c(p: int, j: int) -> Any:
        start = b.load(b.gep(b.bitcast(arg["coff"], longs), [I64(p)]))
        return w.pointer(b, arg["c"], b.add(start, I64(j * w.lanes)))

    with b.if_else(b.icmp_signed("==", arg["mode"], I64(STORED))) as (stored, fresh):
        with stored:
            for p in range(rows):
                for j in range(vectors):
                    b.store(w.load(b, at_c(p, j), masks[j]), acc[p][j])
        with fresh, b.if_else(b.icmp_signed("==", arg["mode"], I64(BIAS))) as (biased, zero):
            with biased:
                for j in range(vectors):
                    value = w.load(b, w.pointer(b, arg["bias"], I64(j * w.lanes)), masks[j])
                    for p in range(rows):
                        b.store(value, acc[p][j])
            with zero:
                for p in range(rows):
                    for j in range(vectors):
                        b.store(ir.Constant(w.vector, None), acc[p][j])

    def step(a: Any, row: Any) -> None:
        weights = [w.load(b, w.pointer(b, row, I64(j * w.lanes)), masks[j]) for j in range(vectors)]
        for p in range(rows):
            value = b.load(w.pointer(b, a, roff[p]))
            value.align = w.size
            value = w.splat(b, value)
            for j in range(vectors):
                b.store(w.fma(b, value, weights[j], b.load(acc[p][j])), acc[p][j])

    unroll = _UNROLL if rows * vectors <= _UNROLL else 1  # unrolled large tiles make LLVM fetch too early, and spill
    whole = b.and_(arg["K"], I64(-unroll))
    with Loop(b, arg["nt"]) as t:
        a = w.pointer(b, arg["a"], b.load(b.gep(b.bitcast(arg["toff"], longs), [t])))
        weights = w.pointer(b, arg["b"], b.mul(t, arg["bts"]))
        if unroll > 1:
            with Loop(b, whole, step=unroll) as k:
                for u in range(unroll):
                    ku = b.add(k, I64(u))
                    step(w.pointer(b, a, b.mul(ku, arg["sk"])), w.pointer(b, weights, b.mul(ku, arg["bs"])))
        with Loop(b, arg["K"], start=whole if unroll > 1 else I64(0)) as k:
            step(w.pointer(b, a, b.mul(k, arg["sk"])), w.pointer(b, weights, b.mul(k, arg["bs"])))
    with b.if_then(b.icmp_signed("==", arg["mode"], I64(ADDED))):
        for p in range(rows):
            for j in range(vectors):
                b.store(b.fadd(w.load(b, at_c(p, j), masks[j]), b.load(acc[p][j])), acc[p][j])
    for p in range(rows):
        for j in range(vectors):
            w.store(b, b.load(acc[p][j]), at_c(p, j), masks[j])
    b.ret_void()
    return function


BLOCK_ARGUMENTS = ("a", "roff", "sk", "toff", "nt", "K", "b", "bs", "bts", "c", "coff", "M", "N", "mode", "bias")
BLOCK_TYPE = ir.FunctionType(VOID, [PTR if name in _POINTERS else I64 for name in BLOCK_ARGUMENTS])


def block(module: ir.Module, w: Width, tiles: dict[int, dict[int, ir.Function]]) -> ir.Function:
    """M rows and N columns, the columns cut into panels of at most ``vectors`` vectors, as even as possible."""
    function = ir.Function(module, BLOCK_TYPE, f"sparkdl_block_{w.kind}")
    arg = dict(zip(BLOCK_ARGUMENTS, function.args, strict=True))
    b = ir.IRBuilder(function.append_basic_block("entry"))
    longs = I64.as_pointer()
    total = b.sdiv(b.add(arg["N"], I64(w.lanes - 1)), I64(w.lanes))
    panels = b.sdiv(b.add(total, I64(w.vectors - 1)), I64(w.vectors))
    with Loop(b, panels) as panel:
        first = b.sdiv(b.mul(panel, total), panels)
        stop = b.sdiv(b.mul(b.add(panel, I64(1)), total), panels)
        column = b.mul(first, I64(w.lanes))
        count = b.sub(stop, first)
        rest = b.sub(arg["N"], column)
        width = b.mul(count, I64(w.lanes))
        n = b.select(b.icmp_signed("<", rest, width), rest, width)
        weights = w.pointer(b, arg["b"], column)
        bias = w.pointer(b, arg["bias"], column)
        c = w.pointer(b, arg["c"], column)
        done = b.append_basic_block("done")
        switch = b.switch(count, done)
        for vectors, by_rows in tiles.items():
            switch.add_case(I64(vectors), case := b.append_basic_block(f"v{vectors}"))
            b.position_at_end(case)
            start: Any = I64(0)
            for rows, function_ in by_rows.items():
                stop_ = b.add(start, b.mul(b.sdiv(b.sub(arg["M"], start), I64(rows)), I64(rows)))
                with Loop(b, stop_, start=start, step=rows) as p:
                    b.call(
                        function_,
                        [
                            arg["a"], b.bitcast(b.gep(b.bitcast(arg["roff"], longs), [p]), PTR), arg["sk"], arg["toff"],
                            arg["nt"], arg["K"], b.bitcast(weights, PTR), arg["bs"], arg["bts"], b.bitcast(c, PTR),
                            b.bitcast(b.gep(b.bitcast(arg["coff"], longs), [p]), PTR), n, arg["mode"],
                            b.bitcast(bias, PTR),
                        ],
                    )  # fmt: skip
                start = stop_
            b.branch(done)
        b.position_at_end(done)
    b.ret_void()
    return function


TRANSPOSE_TYPE = ir.FunctionType(VOID, [PTR, I64, PTR, I64, I64, I64])


def transpose(module: ir.Module, w: Width) -> ir.Function:
    """``to[c ld_to + r] = source[r ld_source + c]`` for r < rows, c < columns, in squares that stay in registers."""
    function = ir.Function(module, TRANSPOSE_TYPE, f"sparkdl_transpose_{w.kind}")
    to, ld_to, source, ld_source, rows, columns = function.args
    b = ir.IRBuilder(function.append_basic_block("entry"))
    lanes = w.lanes
    vector = ir.VectorType(w.real, lanes)
    whole_rows, whole_columns = b.and_(rows, I64(-lanes)), b.and_(columns, I64(-lanes))

    def at(base: Any, ld: Any, row: Any, column: Any) -> Any:
        return w.pointer(b, base, b.add(b.mul(row, ld), column))

    def exchange(x: Any, y: Any, step: int) -> tuple[Any, Any]:
        """The off-diagonal squares of size ``step`` of two rows change places."""
        low = [n if not n & step else lanes + n - step for n in range(lanes)]
        high = [n + step if not n & step else lanes + n for n in range(lanes)]
        mask = ir.VectorType(I32, lanes)
        return (b.shuffle_vector(x, y, ir.Constant(mask, low)), b.shuffle_vector(x, y, ir.Constant(mask, high)))

    def scalars(first_row: Any, first_column: Any) -> None:
        with Loop(b, rows, start=first_row) as r, Loop(b, columns, start=first_column) as c:
            b.store(b.load(at(source, ld_source, r, c)), at(to, ld_to, c, r))

    with Loop(b, whole_rows, step=lanes) as r:
        with Loop(b, whole_columns, step=lanes) as c:
            square = []
            for n in range(lanes):
                square.append(b.load(b.bitcast(at(source, ld_source, b.add(r, I64(n)), c), vector.as_pointer())))
                square[-1].align = w.size
            step = 1
            while step < lanes:
                for n in range(lanes):
                    if not n & step:
                        square[n], square[n + step] = exchange(square[n], square[n + step], step)
                step *= 2
            for n in range(lanes):
                b.store(
                    square[n], b.bitcast(at(to, ld_to, b.add(c, I64(n)), r), vector.as_pointer())
                ).align = w.size
        with Loop(b, I64(lanes)) as n, Loop(b, columns, start=whole_columns) as c:
            row = b.add(r, n)
            b.store(b.load(at(source, ld_source, row, c)), at(to, ld_to, c, row))
    scalars(whole_rows, I64(0))
    b.ret_void()
    return function


def build(name: str, kind: str) -> ir.Module:
    """The module of one instruction set and element type (``f32``, ``f64`` or ``bf16``)."""
    module, w = ir.Module(f"sparkdl_{name}_{kind}"), width(name, kind)
    module.triple = llvm.get_default_triple()
    tiles = {v: {r: tile(module, w, r, v) for r in rows} for v, rows in w.rows.items()}
    block(module, w, tiles)
    transpose(module, w)
    return module


_FEATURES = {
    "avx512": "+avx512f,+avx512bw,+avx512dq,+avx512vl,+avx2,+fma,-prefer-256-bit",
    "avx2": "+avx2,+fma,-avx512f",
    "plain": "-avx,-avx2,-fma,-avx512f",
}


@cache
def _target(name: str) -> llvm.TargetMachine:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = _FEATURES[name] if llvm.get_default_triple().startswith("x86_64") else ""
    cpu = llvm.get_host_cpu_name() if name == "avx512" else ("haswell" if name == "avx2" and features else "")
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(cpu=cpu, features=features, opt=3, reloc="pic", jit=True)


def compile_module(name: str, module: ir.Module) -> llvm.ModuleRef:
    """Optimised, but with loops left as they are: they are unrolled and vectorised by hand."""
    parsed = llvm.parse_assembly(str(module))
    parsed.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_unrolling = options.loop_vectorization = options.slp_vectorization = False
    builder = llvm.create_pass_builder(_target(name), options)
    builder.getModulePassManager().run(parsed, builder)
    return parsed


def assembly(name: str, kind: str) -> str:
    """What the machine runs, for inspection."""
    return _target(name).emit_assembly(compile_module(name, build(name, kind)))


_engines: list[Any] = []  # keep the code alive


@cache
def symbols(kind: str = "f32") -> dict[str, int]:
    """Loads the object file of this machine (compiles it if it is not there) and makes its functions known to LLVM."""
    return load_object(f"microkernel-{kind}", isa(), lambda: build(isa(), kind), __name__)


def load_object(title: str, name: str, module: Any, source: str) -> dict[str, int]:
    """Addresses of the public functions of an LLVM module by name; its object file is kept in the cache folder.

    ``source`` is the Python module that writes it: a file made by another version of it, or of one that it imports, is
    not used.
    """
    parts = (llvmlite.__version__, name, llvm.get_host_cpu_name(), sys.platform, kernelcache.sources(source))
    key = hashlib.sha256(repr(parts).encode()).hexdigest()[:24]
    path = kernelcache.folder() / f"{title}-{key}.o"
    target = _target(name)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        data = target.emit_object(compile_module(name, module()))
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
            file.write(data)
        os.replace(file.name, path)
    names = _defined(data)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target)
    engine.add_object_file(llvm.ObjectFileRef.from_data(data))
    engine.finalize_object()
    _engines.append(engine)
    found = {n: engine.get_function_address(n) for n in names}
    for n, address in found.items():
        llvm.add_symbol(n, address)
    return found


def _defined(data: bytes) -> list[str]:
    """Names of the public functions in an object file: they all start with ``sparkdl_`` and end with a zero byte."""
    names = re.findall(rb"\0(sparkdl_(?!tile)\w+)(?=\0)", data)
    return sorted({n.decode() for n in names})
