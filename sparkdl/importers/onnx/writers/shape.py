"""Joins, parts, sums and other shapes."""

from __future__ import annotations

import numpy as np

from sparkdl.importers.onnx.writers import writes


@writes("Flatten", "Reshape", "Squeeze", "Unsqueeze")
def _reshape(w, use, x):
    return w.node("Reshape", [x[0], w.array([0 if len(use.made[0]) and i == 0 else n for i, n in enumerate((0, *use.made[0]))], np.int64)])


@writes("Permute")
def _permute(w, use, x):
    return w.node("Transpose", x, perm=[0, *use.layer.dims])


@writes("Concat")
def _concat(w, use, x):
    return w.node("Concat", x, axis=use.layer.dim % (len(use.shape) + 1))


@writes("Stack")
def _stack(w, use, x):
    axis = use.layer.dim % (len(use.shape) + 2)
    return w.node("Concat", [w.node("Unsqueeze", [v, w.array([axis], np.int64)]) for v in x], axis=axis)


@writes("Split")
def _split(w, use, x):
    axis = use.layer.dim % (len(use.shape) + 1)
    sizes = [s[axis - 1] for s in use.made]
    made = w.node("Split", [x[0], w.array(sizes, np.int64)], outputs=len(sizes), axis=axis)
    return made if isinstance(made, list) else [made]


@writes("Tile")
def _tile(w, use, x):
    times = [1] * (len(use.shape) + 1)
    times[use.layer.dim] = use.layer.times
    return w.node("Tile", [x[0], w.array(times, np.int64)])


@writes("Reverse")
def _reverse(w, use, x):
    axis = use.layer.dim % (len(use.shape) + 1)
    least = -(2**31)
    return w.node("Slice", [x[0], *(w.array([v], np.int64) for v in (-1, least, axis, -1))])


@writes("Repeat")
def _repeat(w, use, x):
    axis = use.layer.dim % (len(use.shape) + 1)
    apart = w.node("Unsqueeze", [x[0], w.array([axis + 1], np.int64)])
    times = [1] * (len(use.shape) + 2)
    times[axis + 1] = use.layer.times
    return w.node("Reshape", [w.node("Tile", [apart, w.array(times, np.int64)]), w.array([0, *use.made[0]], np.int64)])


@writes("Threshold", "BinaryThreshold")
def _threshold(w, use, x):
    p = use.layer
    above = w.node("Greater", [x[0], w.array(p.threshold)])
    if type(p).__name__ == "BinaryThreshold":
        return w.node("Cast", [above], to=1)
    return w.node("Where", [above, x[0], w.array(p.fill)])


@writes("L2Normalize")
def _l2_normalize(w, use, x):
    p, axes = use.layer, [d % (len(use.shape) + 1) for d in use.layer.dims]
    square = w.node("ReduceSum", [w.node("Mul", [x[0], x[0]]), w.array(axes, np.int64)], keepdims=1)
    square = w.node("Add" if p.added else "Max", [square, w.array(p.eps)])
    return w.node("Div", [x[0], w.node("Sqrt", [square])])


@writes("ReduceMean", "ReduceMax")
def _reduce(w, use, x):
    axes = [d % (len(use.shape) + 1) for d in use.layer.dims]
    return w.node(type(use.layer).__name__, x, axes=axes, keepdims=int(use.layer.keepdim))


@writes("ReduceSum")
def _reduce_sum(w, use, x):
    axes = [d % (len(use.shape) + 1) for d in use.layer.dims]
    return w.node("ReduceSum", [x[0], w.array(axes, np.int64)], keepdims=int(use.layer.keepdim))
