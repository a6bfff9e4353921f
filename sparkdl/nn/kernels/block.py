"""The micro-kernel as a function of compiled code."""

from __future__ import annotations

from typing import Any

import llvmlite.ir as ir
import numpy as np
from numba.core import cgutils, types
from numba.extending import intrinsic

from sparkdl.kernel import isa
from sparkdl.nn.kernels import microkernel
from sparkdl.nn.kernels.microkernel import BIAS, STORED, ZERO

__all__ = ["BIAS", "LANES", "PANEL", "STORED", "ZERO", "block", "panel"]

LANES = {4: microkernel.BYTES[isa()] // 4, 8: microkernel.BYTES[isa()] // 8}
PANEL = {size: lanes * max(microkernel.ROWS[isa()]) for size, lanes in LANES.items()}

for _kind in ("f32", "f64"):  # known to LLVM before compiled code that refers to them is loaded
    microkernel.symbols(_kind)


def panel(columns: int, itemsize: int) -> int:
    """Into panels of how many columns ``columns`` are best cut: as even as possible, none wider than a register tile."""
    vectors = -(-columns // LANES[itemsize])
    panels = -(-columns // PANEL[itemsize])
    return -(-vectors // max(panels, 1)) * LANES[itemsize]


@intrinsic
def block(typingctx: Any, like: Any, *args: Any) -> Any:
    """``block(like, a, roff, sk, toff, nt, K, b, bs, bts, c, coff, M, N, mode, bias)``: see ``microkernel.block``.

    ``like`` is an array whose dtype picks the element type; everything else is an integer (addresses included).
    """
    args = args[0] if len(args) == 1 and isinstance(args[0], tuple) else args
    if len(args) != len(microkernel.BLOCK_ARGUMENTS):
        raise TypeError(f"block takes {len(microkernel.BLOCK_ARGUMENTS) + 1} arguments, got {len(args) + 1}")
    kind = "f32" if like.dtype == types.float32 else "f64"
    signature = types.void(like, types.StarArgTuple([types.intp] * len(args)))

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        function = cgutils.get_or_insert_function(builder.module, microkernel.BLOCK_TYPE, f"sparkdl_block_{kind}")
        given = cgutils.unpack_tuple(builder, values[1])
        casts = [
            builder.inttoptr(v, t) if isinstance(t, ir.PointerType) else v
            for v, t in zip(given, microkernel.BLOCK_TYPE.args, strict=True)
        ]
        builder.call(function, casts)
        return context.get_dummy_value()

    return signature, codegen


def steps(n: int, stride: int = 1) -> np.ndarray:
    """Offsets 0, stride, 2 stride, ..."""
    return np.arange(n, dtype=np.int64) * stride
