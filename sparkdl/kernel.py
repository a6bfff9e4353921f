"""Compiled kernels: the decorator, CPU and CUDA bodies behind one call, elementwise loops, threads, table of choices.

Importing this file does not import Numba; the first kernel file that uses ``njit`` does.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from sparkdl.errors import UnsupportedError
from sparkdl.kernelcache import KernelCache

__all__ = [
    "Kernel",
    "arithmetic",
    "elementwise",
    "isa",
    "njit",
    "num_threads",
    "numba",
    "set_num_threads",
]

_ISAS = ("plain", "avx2", "avx512")
_table: dict[str, Any] = {}
_threads: int | None = None


def _preload_tbb() -> None:
    """Makes TBB of the wheel, which lies outside the loader's path, known to Numba's thread pool."""
    for name in ("libtbb.so.12", "libtbb.12.dylib", "tbb12.dll"):
        path = os.path.join(sys.prefix, "lib", name)
        if os.path.exists(path):
            with contextlib.suppress(OSError):  # Numba then takes its own work queue, which is slower but right
                ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)
            return


@cache
def numba() -> Any:
    """Numba, set up: its pool is TBB or Numba's own work queue (GNU OpenMP does not survive a fork)."""
    _preload_tbb()
    import numba

    if "NUMBA_THREADING_LAYER_PRIORITY" not in os.environ:
        numba.config.THREADING_LAYER_PRIORITY = ["tbb", "workqueue", "omp"]
    if _threads is not None:
        numba.set_num_threads(_threads)
    return numba


def njit(
    function: Callable[..., Any] | None = None,
    *,
    parallel: bool = False,
    inline: str = "never",
    fastmath: Iterable[str] | bool = ("contract",),
    **options: Any,
) -> Any:
    """Numba's ``njit`` as this library uses it: NumPy's error model, no GIL, no bounds check, code kept on disk.

    ``fastmath`` allows a multiplication and the addition after it to become one instruction, and nothing that reorders
    sums or drops NaN; so a result does not depend on where in a loop an element stands. A kernel is a top-level
    function. Functions of other packages are cached by Numba's own rules.
    """
    if function is None:
        return lambda f: njit(f, parallel=parallel, inline=inline, fastmath=fastmath, **options)
    if function.__closure__ or "<locals>" in function.__qualname__:
        raise TypeError(f"kernel {function.__qualname__} must be a top-level function: closures are not kept on disk.")
    generated = options.pop("generated", False)
    own = generated or function.__module__.partition(".")[0] == __name__.partition(".")[0]
    fast = fastmath if isinstance(fastmath, bool) else set(fastmath)
    options = {"error_model": "numpy", "nogil": True, "boundscheck": False, **options}
    dispatcher = numba().njit(function, parallel=parallel, inline=inline, fastmath=fast, cache=not own, **options)
    if own:
        fixed = fastmath if isinstance(fastmath, bool) else sorted(fastmath)
        dispatcher._cache = KernelCache(function, f"{isa()} {parallel} {inline} {fixed} {sorted(options.items())}")
    return dispatcher


def on_cuda(x: Any) -> bool:
    """Whether ``x`` lies in a GPU's memory."""
    return hasattr(x, "__cuda_array_interface__")


class Kernel:
    """A CPU body and a CUDA body with the same arguments; the first argument's device picks.

    ``cuda`` is a ``@cuda.jit`` kernel of one grid dimension (started with one thread per element of the first
    argument) or any callable that starts kernels itself.
    """

    def __init__(self, cpu: Callable[..., Any], cuda: Callable[..., Any] | None = None) -> None:
        self.cpu, self.cuda = cpu, cuda

    def __call__(self, first: Any, *args: Any) -> Any:
        if not on_cuda(first):
            return self.cpu(first, *args)
        if self.cuda is None:
            raise UnsupportedError(f"{self!r} has no CUDA body; move the arrays to the CPU.")
        if hasattr(self.cuda, "forall"):
            return self.cuda.forall(first.size)(first, *args)
        return self.cuda(first, *args)

    def __repr__(self) -> str:
        return f"Kernel({getattr(self.cpu, '__name__', self.cpu)})"


def elementwise(function: Callable[..., Any]) -> Kernel:
    """``kernel(out, *args)`` that sets every element of ``out`` to ``function`` of the elements of ``args``.

    ``function`` is a top-level scalar function under ``njit``. Arguments are arrays of ``out``'s shape (or one that
    broadcasts to it) of any strides, or numbers, which are taken in ``out``'s dtype. ``out`` may be one of them.
    """
    from sparkdl.elementwise import Elementwise

    kernel = Elementwise(function)
    return Kernel(kernel.cpu, kernel.cuda)


def set_num_threads(n: int) -> None:
    """How many threads kernels use."""
    global _threads
    limit = _most_threads()
    if not 1 <= n <= limit:
        raise ValueError(f"set_num_threads: expected 1 to {limit}, the cores of this process, got {n!r}.")
    _threads = int(n)
    if "numba" in sys.modules:
        numba().set_num_threads(_threads)


def num_threads() -> int:
    """How many threads kernels use."""
    return _threads or _all_threads()


@cache
def _all_threads() -> int:
    return _most_threads()


def _most_threads() -> int:
    if "numba" in sys.modules:
        return int(numba().config.NUMBA_NUM_THREADS)
    given = os.environ.get("NUMBA_NUM_THREADS")
    return int(given) if given else len(os.sched_getaffinity(0))


@cache
def _best_isa() -> str:
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    if all(features.get(f"avx512{part}") for part in ("f", "bw", "dq", "vl")):
        return "avx512"
    return "avx2" if features.get("avx2") and features.get("fma") else "plain"


def isa() -> str:
    """Vector instructions of the micro-kernels: ``avx512``, ``avx2`` or ``plain`` (``$SPARKDL_ISA``, else the best)."""
    if "isa" not in _table:
        name = os.environ.get("SPARKDL_ISA") or _best_isa()
        _check_isa(name)
        _table["isa"] = name
    return str(_table["isa"])


def _check_isa(name: str) -> None:
    if name not in _ISAS:
        raise ValueError(f"SPARKDL_ISA: expected one of {', '.join(_ISAS)}, got {name!r}.")
    if _ISAS.index(name) > _ISAS.index(_best_isa()):
        raise UnsupportedError(f"this machine's CPU has no {name}; set SPARKDL_ISA={_best_isa()} on all machines.")


def arithmetic() -> str:
    """What decides the bits of results beside the kernels: two machines of which it is the same compute the same.

    AVX2 and AVX-512 differ in how many elements a vector has, and each element is computed in the same way.
    """
    if isa() != "plain":
        return "fused"
    import llvmlite.binding as llvm

    return f"plain on {llvm.get_host_cpu_name()}"


def choices() -> dict[str, Any]:
    """Timed choices per shape that are in force."""
    return _table.setdefault("choices", {})
