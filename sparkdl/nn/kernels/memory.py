"""Copying and clearing memory by address inside compiled code, at the speed of the C library."""

from __future__ import annotations

from typing import Any

import llvmlite.ir as ir
from numba.core import cgutils, types
from numba.extending import intrinsic

_BYTE = ir.IntType(8)


@intrinsic
def copy_bytes(typingctx: Any, to: Any, source: Any, count: Any) -> Any:
    """Copies ``count`` bytes from address ``source`` to address ``to``; the two do not overlap."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        to, source = (builder.inttoptr(a, _BYTE.as_pointer()) for a in args[:2])
        cgutils.raw_memcpy(builder, to, source, args[2], 1, align=1)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp), codegen


@intrinsic
def clear_bytes(typingctx: Any, to: Any, count: Any) -> Any:
    """Sets ``count`` bytes from address ``to`` to zero."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        cgutils.memset(builder, builder.inttoptr(args[0], _BYTE.as_pointer()), args[1], 0)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp), codegen
