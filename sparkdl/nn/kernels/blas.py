"""Matrix products of the installed BLAS, to be called inside compiled code.

``sgemm`` and ``dgemm`` are MKL's (sequential layer) where the ``mkl`` wheel is installed, else those of SciPy. Both are
reached under the same symbol with the same Fortran arguments, so that compiled code does not depend on which it is.
Threads are started outside, around calls on blocks: one pool only, and never MKL's own OpenMP, whose results are wrong
in a process that also holds GNU OpenMP.

The number of rows in a call changes the order of summation of some of them: where rows must not influence each other,
call leaf by leaf.
"""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from importlib import metadata
from typing import Any

import llvmlite.binding as llvm
import llvmlite.ir as ir
import numpy as np
from numba.core import cgutils, types
from numba.extending import intrinsic

from sparkdl.errors import UnsupportedError
from sparkdl.kernel import njit

_SYMBOL = {"s": "sparkdl_sgemm", "d": "sparkdl_dgemm"}


def _mkl_path() -> str | None:
    """``libmkl_rt`` of the wheel, wherever it was installed."""
    folders = [os.path.join(sys.prefix, "lib"), os.path.join(sys.prefix, "Library", "bin")]
    try:
        files = metadata.files("mkl") or []
        folders += sorted({os.path.dirname(str(f.locate())) for f in files if "mkl_rt" in f.name})
    except metadata.PackageNotFoundError:
        pass  # it may come from another packager: the folders above are still looked through
    for folder in folders:
        if os.path.isdir(folder):
            starts = ("libmkl_rt.so", "libmkl_rt.dylib", "mkl_rt.")
            names = sorted(n for n in os.listdir(folder) if n.startswith(starts))
            if names:
                return os.path.join(folder, names[-1])
    return None


def _mkl() -> dict[str, int] | None:
    path = _mkl_path()
    if path is None:
        return None
    try:
        library = ctypes.CDLL(path)
        library.MKL_Set_Interface_Layer(0)  # 32-bit integers
        library.MKL_Set_Threading_Layer(1)  # sequential
        return {kind: ctypes.cast(library[f"{kind}gemm_"], ctypes.c_void_p).value or 0 for kind in "sd"}
    except (OSError, AttributeError):
        return None


def _scipy() -> dict[str, int]:
    from numba.extending import get_cython_function_address

    return {kind: get_cython_function_address("scipy.linalg.cython_blas", f"{kind}gemm") for kind in "sd"}


@cache
def _bound() -> str:
    """Binds the symbols once; returns the name of the BLAS behind them."""
    wanted = os.environ.get("SPARKDL_BLAS", "")
    if wanted not in ("", "mkl", "scipy"):
        raise ValueError(f"SPARKDL_BLAS: expected mkl or scipy, got {wanted!r}.")
    found = _mkl() if wanted != "scipy" else None
    if found is None and wanted == "mkl":
        raise UnsupportedError("SPARKDL_BLAS=mkl: no MKL found; pip install 'sparkdl-native[mkl]'.")
    for kind, address in (found or _scipy()).items():
        llvm.add_symbol(_SYMBOL[kind], address)
    return "mkl" if found else "scipy"


def blas_name() -> str:
    """``mkl`` or ``scipy``."""
    return _bound()


def use_blas(name: str) -> None:
    """Raises unless the BLAS of this process is ``name``."""
    if _bound() != name:
        raise UnsupportedError(
            f"the driver computes with BLAS {name}, this process has {_bound()}; set SPARKDL_BLAS on all machines."
        )


def _caller(symbol: str, real: Any) -> Any:
    @intrinsic
    def call(typingctx, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc):  # type: ignore[no-untyped-def]
        integer, pointer = types.int32, types.intp
        signature = types.void(
            types.uint8, types.uint8, integer, integer, integer, real, pointer, integer, pointer, integer, real,
            pointer, integer,
        )  # fmt: skip

        def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
            byte = ir.IntType(8).as_pointer()
            function = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(ir.VoidType(), [byte] * 13), symbol
            )
            arguments = []
            for value, kind in zip(args, signature.args, strict=True):
                if kind is pointer:
                    arguments.append(builder.inttoptr(value, byte))
                else:
                    slot = cgutils.alloca_once_value(builder, value)
                    arguments.append(builder.bitcast(slot, byte))
            builder.call(function, arguments)
            return context.get_dummy_value()

        return signature, codegen

    return call


_bound()  # before any compiled code that refers to the symbols is loaded
_sgemm, _dgemm = _caller(_SYMBOL["s"], types.float32), _caller(_SYMBOL["d"], types.float64)


@njit
def sgemm(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc):
    """float32 ``C = alpha op(A) op(B) + beta C``, row-major; ``a b c`` are addresses; ``ta tb``: transpose or not."""
    _sgemm(
        np.uint8(84 if tb else 78), np.uint8(84 if ta else 78), n, m, k, alpha, b, ldb, a, lda, beta, c, ldc
    )


@njit
def dgemm(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc):
    """float64 ``C = alpha op(A) op(B) + beta C``, as ``sgemm``."""
    _dgemm(
        np.uint8(84 if tb else 78), np.uint8(84 if ta else 78), n, m, k, alpha, b, ldb, a, lda, beta, c, ldc
    )
