"""Copying and clearing memory by address inside compiled code, at the speed of the C library."""

from __future__ import annotations

from typing import Any

import llvmlite.ir as ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from sparkdl.kernel import njit

_BYTE = ir.IntType(8)
_FAR = 1024  # bytes
_AHEAD = 8  # rows


@intrinsic
def copy_bytes(typingctx: Any, to: Any, source: Any, count: Any) -> Any:
    """Copies ``count`` bytes from address ``source`` to address ``to``; the two do not overlap."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        to, source = (builder.inttoptr(a, _BYTE.as_pointer()) for a in args[:2])
        cgutils.raw_memcpy(builder, to, source, args[2], 1, align=1)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp), codegen


@intrinsic
def fetch_line(typingctx: Any, at: Any) -> Any:
    """Begins to bring the cache line of address ``at``, which need not be valid, into the nearest cache."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        byte = _BYTE.as_pointer()
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [builder.inttoptr(args[0], byte), number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(types.intp), codegen


@njit
def copy_rows(to, pitch, source, step, rows, nbytes):
    """Copies ``rows`` rows of ``nbytes`` bytes, ``pitch`` and ``step`` bytes apart.

    Rows far apart lie on a page each, where the CPU does not foresee the next one: so they are asked for in advance.
    """
    for i in range(rows):
        if step >= _FAR:
            ahead = source + (i + _AHEAD) * step
            for line in range(0, nbytes, 64):
                fetch_line(ahead + line)
        copy_bytes(to + i * pitch, source + i * step, nbytes)


@intrinsic
def clear_bytes(typingctx: Any, to: Any, count: Any) -> Any:
    """Sets ``count`` bytes from address ``to`` to zero."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        cgutils.memset(builder, builder.inttoptr(args[0], _BYTE.as_pointer()), args[1], 0)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp), codegen
