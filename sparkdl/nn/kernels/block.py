"""The micro-kernel as a function of compiled code."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import llvmlite.ir as ir
import numpy as np
from numba.core import cgutils, types
from numba.extending import intrinsic

from sparkdl.kernel import isa
from sparkdl.kernelcache import before_loading
from sparkdl.nn.kernels import microkernel
from sparkdl.nn.kernels.microkernel import ADDED, BIAS, STORED, ZERO

__all__ = ["ADDED", "BIAS", "LANES", "PANEL", "STORED", "ZERO", "block", "panel", "provide", "steps", "transpose"]

LANES = {4: microkernel.BYTES[isa()] // 4, 8: microkernel.BYTES[isa()] // 8}
PANEL = {size: lanes * max(microkernel.ROWS[isa()]) for size, lanes in LANES.items()}

_KINDS = {types.float32: "f32", types.float64: "f64", types.uint32: "bf16"}  # words of two bfloat16
_doubles: list[Callable[[], object]] = []  # what makes the functions for float64 known


def provide(title: str, build: Callable[[str, str], ir.Module], source: str) -> None:
    """Makes the functions that ``build(isa, kind)`` of module ``source`` writes known to LLVM, for compiled code that refers to them.

    Those for float64 (kind ``f64``) are compiled when code for arrays of float64 is compiled or loaded.
    """

    @cache
    def load(kind: str) -> None:
        microkernel.load_object(f"{title}-{kind}", isa(), lambda: build(isa(), kind), source)

    load("f32")
    _doubles.append(lambda: load("f64"))


def _prepare(signature: Any) -> None:
    if "float64" in str(signature):
        for each in _doubles:
            each()


microkernel.symbols("f32")
_doubles.append(lambda: microkernel.symbols("f64"))
before_loading.append(_prepare)


def panel(columns: int, itemsize: int) -> int:
    """Of how many columns the panels are into which ``columns`` are best cut: even, none wider than a register tile."""
    vectors = -(-columns // LANES[itemsize])
    panels = -(-columns // PANEL[itemsize])
    return -(-vectors // max(panels, 1)) * LANES[itemsize]


def external(name: str, kind: ir.FunctionType) -> Any:
    """An intrinsic ``f(like, *integers)`` that calls ``sparkdl_<name>_<kind>``, picked by ``like``'s dtype."""

    @intrinsic
    def call(typingctx: Any, like: Any, *args: Any) -> Any:
        args = args[0] if len(args) == 1 and isinstance(args[0], tuple) else args
        if len(args) != len(kind.args):
            raise TypeError(f"{name} takes {len(kind.args) + 1} arguments, got {len(args) + 1}")
        _prepare(like.dtype)
        symbol = f"sparkdl_{name}_{_KINDS[like.dtype]}"
        signature = types.void(like, types.StarArgTuple([types.intp] * len(args)))

        def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            function = cgutils.get_or_insert_function(builder.module, kind, symbol)
            given = cgutils.unpack_tuple(builder, values[1])
            builder.call(
                function,
                [
                    builder.inttoptr(v, t) if isinstance(t, ir.PointerType) else v
                    for v, t in zip(given, kind.args, strict=True)
                ],
            )
            return context.get_dummy_value()

        return signature, codegen

    return call


block = external("block", microkernel.BLOCK_TYPE)
"""``block(like, a, roff, sk, toff, nt, K, b, bs, bts, c, coff, M, N, mode, bias)``: see ``microkernel.block``."""

transpose = external("transpose", microkernel.TRANSPOSE_TYPE)
"""``transpose(like, to, ld_to, source, ld_source, rows, columns)``: see ``microkernel.transpose``."""


def steps(n: int, stride: int = 1) -> np.ndarray:
    """Offsets 0, stride, 2 stride, ..."""
    return np.arange(n, dtype=np.int64) * stride
