"""Products, joins, splits and other shapes."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from sparkdl import nn
from sparkdl.errors import FormatError, UnsupportedError
from sparkdl.importers.build import Value
from sparkdl.importers.caffe.convert import Conversion, Held
from sparkdl.importers.caffe.message import Message
from sparkdl.importers.caffe.table import converts
from sparkdl.importers.caffe.time import steps_made
from sparkdl.importers.limits import within


@converts("InnerProduct", note="any axis but the batch, transposed weights")
def inner_product(c: Conversion) -> Value:
    p, x = c.layer["inner_product_param"], c.x
    axis = c.axis(p["axis"], x.ndim)
    sizes, outputs = x.sizes(), p["num_output"]
    if outputs < 1:
        raise FormatError(f"layer {c.name!r}: num_output is {outputs}.")
    features = int(np.prod(sizes[axis - 1 :], dtype=object))
    weight = c.blob(0, (features, outputs) if p["transpose"] else (outputs, features), p["weight_filler"])
    bias = c.blob(1, (outputs,), p["bias_filler"]) if p["bias_term"] else None
    if len(sizes) > axis:
        x = c.apply(nn.Flatten(axis), x, suffix="flatten")
    layer = nn.Linear(features, outputs, bias=bias is not None)
    c.set(layer, "weight", 0, weight.T if p["transpose"] else weight)
    if bias is not None:
        c.set(layer, "bias", 1, bias)
    return c.apply(layer, x)


@converts("Embed")
def embed(c: Conversion) -> Value:
    p = c.layer["embed_param"]
    rows, width = p["input_dim"], p["num_output"]
    if rows < 1 or width < 1:
        raise FormatError(f"layer {c.name!r}: a table of {rows} rows of {width}.")
    table = c.blob(0, (rows, width), p["weight_filler"])
    layer = nn.Embedding(rows, width)
    c.set(layer, "weight", 0, table)
    if not p["bias_term"]:
        return c.apply(layer, c.x)
    bias = c.blob(1, (width,), p["bias_filler"])
    shift = nn.ScaleShift((width,), dim=-1, scale=False)
    c.set(shift, "bias", 1, bias)
    return c.apply(shift, c.apply(layer, c.x, suffix="table"))


@converts("Dropout")
def dropout(c: Conversion) -> Value:
    p = c.layer["dropout_param"]
    ratio = p["dropout_ratio"]
    if not 0 <= ratio < 1:
        raise FormatError(f"layer {c.name!r}: dropout_ratio is {ratio}; it lies in 0 .. 1.")
    x = c.apply(nn.Dropout(ratio), c.x)
    return x if p["scale_train"] else c.apply(nn.MulConstant(1 - ratio), x, suffix="scale")


@converts("Split")
def split(c: Conversion) -> tuple[Value, ...]:
    return (c.x,) * max(len(c.layer["top"]), 1)


def _along_batch(name: str, field: str, old: str = "") -> Any:
    def refuse(layer: Message) -> str | None:
        p = layer[name]
        axis = p[old] if old and old in p else p[field]
        return "works along axis 0, which is the batch here" if axis == 0 else None

    return refuse


def _axis(c: Conversion, p: Message, old: str) -> int:
    return c.axis(p[old] if old in p else p["axis"], c.inputs[0].ndim)


@converts("Concat", refuse=_along_batch("concat_param", "axis", "concat_dim"))
def concat(c: Conversion) -> Value:
    c.takes(1, 1 << 16)
    axis = _axis(c, c.layer["concat_param"], "concat_dim")
    return c.inputs[0] if len(c.inputs) == 1 else c.apply(nn.Concat(axis), *c.inputs)


@converts("Slice", refuse=_along_batch("slice_param", "axis", "slice_dim"))
def slice_(c: Conversion) -> Any:
    p, x, tops = c.layer["slice_param"], c.x, len(c.layer["top"])
    axis = _axis(c, p, "slice_dim")
    if tops == 1:
        return x
    size, points = x.size(axis), p["slice_point"]
    if points and len(points) != tops - 1:
        raise FormatError(f"layer {c.name!r}: {len(points)} slice points for {tops} tops.")
    if not points and size % tops:
        raise FormatError(f"layer {c.name!r}: {size} channels cannot be cut into {tops} equal parts.")
    ends = [0, *(points or [size // tops * i for i in range(1, tops)]), size]
    if any(b <= a for a, b in pairwise(ends)):
        raise FormatError(f"layer {c.name!r}: slice points {points} do not rise within 0 .. {size}.")
    return c.apply(nn.Split(tuple(b - a for a, b in pairwise(ends)), axis), x)


@converts("Eltwise", note="PROD, SUM with coefficients, MAX")
def eltwise(c: Conversion) -> Value:
    p, xs = c.layer["eltwise_param"], c.inputs
    c.takes(2, 1 << 16)
    coefficients = p["coeff"]
    if len({x.shape for x in xs}) > 1 and all(x.shape is not None for x in xs):
        raise FormatError(f"layer {c.name!r}: blobs of different shapes {[x.shape for x in xs]}.")
    if p["operation"] == "MAX":
        return c.apply(nn.Maximum(), *xs)
    if p["operation"] == "PROD":
        return c.apply(nn.Mul(), *xs)
    if coefficients and len(coefficients) != len(xs):
        raise FormatError(f"layer {c.name!r}: {len(coefficients)} coefficients for {len(xs)} blobs.")
    terms = [
        x if k == 1 else c.apply(nn.MulConstant(k), x, suffix=f"coeff{i}")
        for i, (x, k) in enumerate(zip(xs, coefficients or [1.0] * len(xs), strict=True))
    ]
    return c.apply(nn.Add(), *terms)


@converts("Axpy", note="fork (SENet): y = a * x + z")
def axpy(c: Conversion) -> Value:
    c.takes(3)
    a, x, z = c.inputs
    if a.ndim == 2:
        a = c.apply(nn.Reshape((a.size(1), *[1] * (x.ndim - 2))), a, suffix="reshape")
    return c.apply(nn.Add(), c.apply(nn.Mul(), a, x, suffix="scale"), z)


# -- shapes ------------------------------------------------------------------------------------------------------------
@converts("Flatten", refuse=_along_batch("flatten_param", "axis"))
def flatten(c: Conversion) -> Value:
    p, x = c.layer["flatten_param"], c.x
    first, last = c.axis(p["axis"], x.ndim), c.axis(p["end_axis"], x.ndim) if x.ndim > 1 else 1
    if last < first:
        raise FormatError(f"layer {c.name!r}: axes {first} to {last}.")
    return c.apply(nn.Flatten(first, last), x)


@converts("Reshape", note="0 and -1, axis and num_axes; the batch stays, or (time * batch, *) becomes (time, batch, *) for an LSTM")
def reshape(c: Conversion) -> Value:
    p, x = c.layer["reshape_param"], c.x
    if steps := steps_made(c.layer, c.net.time_first):
        return _sequences(c, x, steps)
    sizes, dims = x.sizes(), list(p["shape"]["dim"])
    start = p["axis"] if p["axis"] >= 0 else x.ndim + 1 + p["axis"]
    count = p["num_axes"] if p["num_axes"] >= 0 else x.ndim - start
    if not 0 <= start <= x.ndim or start + count > x.ndim:
        raise FormatError(f"layer {c.name!r}: axes {start} to {start + count} of a blob of {x.ndim} axes.")
    old = [None, *sizes]
    new: list[int | None] = []
    for i, dim in enumerate(dims):
        if dim == 0:
            if start + i >= x.ndim:
                raise FormatError(f"layer {c.name!r}: dim 0 copies axis {start + i} of a blob of {x.ndim} axes.")
            new.append(old[start + i])
        elif dim < -1:
            raise FormatError(f"layer {c.name!r}: dim {dim}.")
        else:
            new.append(within(f"layer {c.name!r}: dim", dim + 1, 1 << 40) - 1)
    result = [*old[:start], *new, *old[start + count :]]
    if not result:
        raise FormatError(f"layer {c.name!r}: the result has no axes.")
    return c.apply(nn.Reshape(_without_batch(c, result, sizes)), x)


def _sequences(c: Conversion, x: Value, steps: int) -> Value:
    """``x`` (time * batch, *) cut into (batch, time, *), each step in the shape that the file wants."""
    sizes, shape = x.sizes(), tuple(c.layer["reshape_param"]["shape"]["dim"][2:])
    size, known = (int(np.prod([n for n in each if n != -1], dtype=object)) for each in (sizes, shape))
    if any(n < -1 or n == 0 for n in shape) or known != size and not (shape.count(-1) == 1 and known and size % known == 0):
        raise UnsupportedError(f"layer {c.name!r} (Reshape) to (time, batch, *) takes samples of {size} numbers apart.")
    y = c.apply(nn.CaffeTimeSteps(within(f"layer {c.name!r}: steps", steps, 1 << 12)), x, suffix="steps")
    return c.apply(nn.Reshape((steps, *shape)), y)


def _without_batch(c: Conversion, shape: list[int | None], sizes: tuple[int, ...]) -> tuple[int, ...]:
    """The new shape of one sample: what stands first must be the batch, however the file writes it."""
    first, rest = shape[0], [int(n) for n in shape[1:] if n is not None]
    if len(rest) != len(shape) - 1:
        raise UnsupportedError(f"layer {c.name!r} (Reshape) moves the batch away from axis 0.")
    size = int(np.prod(sizes, dtype=object))
    known = int(np.prod([n for n in rest if n != -1], dtype=object))
    if first is None or first == -1 or -1 in rest:
        return tuple(rest)
    if known == size or (known and first * known % size == 0):  # a batch size written out
        return tuple(rest)
    raise UnsupportedError(f"layer {c.name!r} (Reshape) to {shape} mixes the samples of a batch.")


@converts("Permute", note="fork (SSD)")
def permute(c: Conversion) -> Value:
    x, order = c.x, list(c.layer["permute_param"]["order"])
    order += [i for i in range(x.ndim) if i not in order]
    if sorted(order) != list(range(x.ndim)):
        raise FormatError(f"layer {c.name!r}: order {order} of {x.ndim} axes.")
    if order[0] != 0:
        raise UnsupportedError(f"layer {c.name!r} (Permute) moves the batch away from axis 0.")
    return c.apply(nn.Permute(tuple(order[1:])), x)


@converts("Tile", refuse=_along_batch("tile_param", "axis"))
def tile(c: Conversion) -> Value:
    p, x = c.layer["tile_param"], c.x
    times = within(f"layer {c.name!r}: tiles", p["tiles"] - 1, 1 << 20) + 1
    axis = c.axis(p["axis"], x.ndim)
    return c.apply(nn.Tile(axis, times), x)


@converts("Reduction", refuse=_along_batch("reduction_param", "axis"), note="SUM, ASUM, SUMSQ, MEAN over the last axes")
def reduction(c: Conversion) -> Value:
    p, x = c.layer["reduction_param"], c.x
    axis = c.axis(p["axis"], x.ndim)
    kind = p["operation"]
    if kind == "ASUM":
        x = c.apply(nn.Abs(), x, suffix="abs")
    elif kind == "SUMSQ":
        x = c.apply(nn.Mul(), x, x, suffix="square")
    dims = tuple(range(axis, x.ndim))
    x = c.apply(nn.ReduceMean(dims) if kind == "MEAN" else nn.ReduceSum(dims), x)
    return x if p["coeff"] == 1 else c.apply(nn.MulConstant(p["coeff"]), x, suffix="coeff")


@converts("ArgMax")
def argmax(c: Conversion) -> Value:
    p, x = c.layer["argmax_param"], c.x
    axis = c.axis(p["axis"], x.ndim) if "axis" in p else None
    top = within(f"layer {c.name!r}: top_k", p["top_k"] - 1, 1 << 20) + 1
    return c.apply(nn.TopKIndices(top, axis, p["out_max_val"]), x)


@converts("Parameter", note="as second bottom of Scale and Bias")
def parameter(c: Conversion) -> Value:
    c.takes(0)
    shape = [within(f"layer {c.name!r}: dim", n, 1 << 40) for n in c.layer["parameter_param"]["shape"]["dim"]]
    return Held(c, c.blob(0, shape))


@converts("BatchReindex", note="for scoring: it has no gradient")
def batch_reindex(c: Conversion) -> Value:
    c.takes(2)
    return c.apply(nn.CaffeBatchReindex(), *c.inputs)


@converts("Filter", note="for scoring: it has no gradient")
def filter_(c: Conversion) -> Any:
    c.takes(2, 1 << 16)
    return c.apply(nn.CaffeFilter(len(c.inputs) - 1), *c.inputs)
