"""Loops over arrays of any strides, made from a scalar function.

Arrays of one shape go as one loop over unit strides, which LLVM vectorises, in the order of the output's memory; those
that lie otherwise are copied first. Where arrays are stretched to the output's shape, its axes are sorted by stride,
those that lie one behind the other in all arrays are joined, and what remains goes as at most four nested loops. The
loops are plain functions made from text once per number of arguments, and named after the scalar function, so that
their code is kept on disk with it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.kernel import njit, num_threads, numba

_AXES = 4
_PARALLEL_FROM = 1 << 16  # elements: below, starting threads costs more than it gains
_CHUNK = 1 << 14

_FLAT = """
def {name}(out, {args}):
    for i in range(out.size):
        out[i] = f({items})
"""

_FLAT_PARALLEL = """
def {name}(out, {args}):
    n = out.size
    for c in prange((n + {chunk} - 1) // {chunk}):
        for i in range(np.uint64(c * {chunk}), np.uint64(min(n, (c + 1) * {chunk}))):
            out[i] = f({items})
"""

# Offsets are unsigned, so that no negative index has to be looked for.
_STRIDED = """
def {name}(shape, strides, unit, out, {args}):
    for r in {range}(shape[0] * shape[1] * shape[2]):
        i, j, k = r // (shape[1] * shape[2]), r // shape[2] % shape[1], r % shape[2]
        p0 = np.uint64(i * strides[0, 0] + j * strides[0, 1] + k * strides[0, 2])
        {starts}
        if unit:
            for x in range(np.uint64(shape[3])):
                out[p0 + x] = f({unit_items})
        else:
            for x in range(shape[3]):
                out[p0 + np.uint64(x * strides[0, 3])] = f({strided_items})
"""


class Elementwise:
    def __init__(self, function: Any) -> None:
        self.function = function
        self._loops: dict[tuple[str, str], Any] = {}

    def cpu(self, out: np.ndarray, *args: Any) -> None:
        if not out.size:
            return
        kinds = "".join("a" if isinstance(a, np.ndarray) and a.ndim else "s" for a in args)
        args = tuple(a if kind == "a" else out.dtype.type(a) for a, kind in zip(args, kinds, strict=True))
        arrays = [out, *(a for a, kind in zip(args, kinds, strict=True) if kind == "a")]
        parallel = out.size >= _PARALLEL_FROM and num_threads() > 1
        if all(a.shape == out.shape and a.flags.c_contiguous for a in arrays):
            flat = [a if a.ndim == 1 else a.reshape(-1) for a in (out, *args) if isinstance(a, np.ndarray)]
            self._loop("flat" + "_parallel" * parallel, kinds)(*_weave(flat, args, kinds))
            return
        if all(a.shape == out.shape for a in arrays):
            self._in_order(out, args, kinds)
            return
        views = _aligned(arrays)
        shape, strides = _joined(views)
        if len(shape) > _AXES:
            views = [v.transpose(np.argsort([-s for s in views[0].strides])) for v in views]
            for rows in zip(*views, strict=True):
                self.cpu(*_weave(list(rows), args, kinds))
            return
        shape, strides, windows = _windows(views, shape, strides)  # type: ignore[assignment]
        if shape[0] == shape[1] == shape[2] == 1 and (strides[:, 3] == 1).all():
            self._loop("flat" + "_parallel" * parallel, kinds)(*_weave(windows, args, kinds))
            return
        unit = bool((strides[:, 3] == 1).all())
        loop = self._loop("strided" + "_parallel" * parallel, kinds)
        loop(shape, strides, unit, *_weave(windows, args, kinds))

    def _in_order(self, out: np.ndarray, args: tuple, kinds: str) -> None:
        """Arrays of one shape, in the order of the output's memory: no loop over strides is compiled for them."""
        order = sorted(range(out.ndim), key=lambda n: -out.strides[n])
        target = out.transpose(order)
        dense = target if target.flags.c_contiguous else np.empty(target.shape, target.dtype)
        turned = [
            np.ascontiguousarray(a.transpose(order)) if kind == "a" else a for a, kind in zip(args, kinds, strict=True)
        ]
        self.cpu(dense, *turned)
        if dense is not target:
            target[...] = dense

    def cuda(self, out: Any, *args: Any) -> None:
        from sparkdl.errors import UnsupportedError

        raise UnsupportedError(f"elementwise {self.function.__name__}: no CUDA loop here; move the arrays to the CPU.")

    def _loop(self, kind: str, kinds: str) -> Any:
        loop = self._loops.get((kind, kinds))
        if loop is None:
            loop = self._loops[kind, kinds] = _make(self.function, kind, kinds)
        return loop


def _weave(arrays: list[np.ndarray], args: tuple, kinds: str) -> list[Any]:
    """The output, then the arguments with each array replaced by its one-dimensional window."""
    windows = iter(arrays)
    first = next(windows)
    return [first, *(next(windows) if kind == "a" else a for a, kind in zip(args, kinds, strict=True))]


def _make(function: Any, kind: str, kinds: str) -> Any:
    base, _, parallel = kind.partition("_")
    numbered = list(enumerate(kinds))
    window = {n: i + 1 for i, n in enumerate(n for n, k in numbered if k == "a")}
    name = f"{function.__name__}_{kind}_{kinds}"

    def items(index: str) -> str:
        return ", ".join(f"a{n}[{index.format(window[n])}]" if k == "a" else f"a{n}" for n, k in numbered)

    fields = {
        "name": name,
        "args": ", ".join(f"a{n}" for n, _ in numbered),
        "chunk": _CHUNK,
        "range": "prange" if parallel else "range",
        "items": items("i"),
        "unit_items": items("p{} + x"),
        "strided_items": items("p{0} + np.uint64(x * strides[{0}, 3])"),
        "starts": "\n        ".join(
            f"p{w} = np.uint64(i * strides[{w}, 0] + j * strides[{w}, 1] + k * strides[{w}, 2])"
            for w in window.values()
        ),
    }
    template = {"flat": _FLAT_PARALLEL if parallel else _FLAT, "strided": _STRIDED}[base]
    names = {"f": function, "np": np, "prange": numba().prange, "__name__": function.py_func.__module__}
    exec(compile(template.format(**fields), f"<{name}>", "exec"), names)  # text of this file only
    return njit(names[name], parallel=bool(parallel), generated=True)


def _aligned(arrays: list[np.ndarray]) -> list[np.ndarray]:
    """All arrays in the output's shape, stepping forwards through memory."""
    out = arrays[0]
    try:
        views = [a if a.shape == out.shape else np.broadcast_to(a, out.shape) for a in arrays]
    except ValueError:
        shapes = ", ".join(str(a.shape) for a in arrays[1:])
        raise ShapeError(f"elementwise: shapes {shapes} do not fit an output of shape {out.shape}.") from None
    forwards = tuple(slice(None, None, -1 if s < 0 else 1) for s in out.strides)
    views = [v[forwards] for v in views]
    if any(s % out.itemsize for s in out.strides):
        raise ShapeError("elementwise: the output's strides must be multiples of its element size.")
    return [v if all(s >= 0 and s % v.itemsize == 0 for s in v.strides) else v.copy() for v in views]


def _joined(views: list[np.ndarray]) -> tuple[list[int], list[list[int]]]:
    """The fewest axes that reach all elements of all views: their lengths, and per view their strides in elements."""
    out = views[0]
    axes = sorted((n for n in range(out.ndim) if out.shape[n] > 1), key=lambda n: -out.strides[n])
    shape = [out.shape[n] for n in axes]
    strides = [[v.strides[n] // v.itemsize for n in axes] for v in views]
    for n in range(len(shape) - 1, 0, -1):
        if all(s[n - 1] == s[n] * shape[n] for s in strides):
            shape[n - 1 : n + 1] = [shape[n - 1] * shape[n]]
            for s in strides:
                del s[n - 1]
    return shape, strides


def _windows(
    views: list[np.ndarray], shape: list[int], strides: list[list[int]]
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """``shape`` (4,), ``strides`` (arrays, 4), and each array's memory as one unit-stride vector."""
    pad = _AXES - len(shape)
    full = np.array([1] * pad + shape, np.int64)
    steps = np.array([([0] * pad + s) if s else [1] * _AXES for s in strides], np.int64)
    sizes = (steps * (full - 1)).sum(axis=1) + 1
    windows = [
        np.lib.stride_tricks.as_strided(v, (int(n),), (v.itemsize,)) for v, n in zip(views, sizes, strict=True)
    ]
    return full, steps, windows
