"""Operations of a functional model along axes: sums, orders, extremes and their places."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sparkdl import nn
from sparkdl.importers.build import Value
from sparkdl.importers.keras.convert import Conversion
from sparkdl.importers.keras.layers.arguments import Arguments
from sparkdl.importers.keras.layers.ops_values import negated, no_number, truth, two, without_nan
from sparkdl.importers.keras.tensor import Tensor

_REDUCE = {
    "Sum": "Sum", "Mean": "Mean", "Max": "Max", "Amax": "Max", "Min": "Min", "Amin": "Min", "Logsumexp": "LogSumExp", "Prod": "Prod",
}  # fmt: skip


def _dropped(c: Conversion, x: Value, dims: tuple[int, ...], keep: bool, suffix: str = "") -> Value:
    """Without axes of size 1."""
    return x if keep else c.apply(nn.Reshape(tuple(n for i, n in enumerate(x.sizes(), 1) if i not in dims)), x, suffix=suffix)


def _reduce(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1", "axis", "keepdims")
    x = call.tensor()
    dims, keep = call.axes(x.ndim), bool(call["keepdims"])
    if kind in ("Any", "All"):
        return Tensor(c.apply((nn.ReduceMax if kind == "Any" else nn.ReduceMin)(dims, keep), truth(c, x).plain))
    if kind == "CountNonzero":
        return Tensor(c.apply(nn.ReduceSum(dims, keep), truth(c, x).plain))
    if kind == "Ptp":
        ends = [c.apply(layer(dims, keep), x.plain, suffix=end) for layer, end in ((nn.ReduceMax, "most"), (nn.ReduceMin, "least"))]
        return Tensor(c.apply(nn.Sub(), *ends))
    return Tensor(c.apply(getattr(nn, f"Reduce{_REDUCE[kind]}")(dims, keep), x.plain))


def _spread(c: Conversion, kind: str) -> Any:
    """Variance, standard deviation; mean and variance."""
    call = Arguments(c, "x1", "axes" if kind == "Moments" else "axis", "keepdims")
    x = call.tensor()
    call.values.setdefault("axis", call["axes"])
    dims, keep = call.axes(x.ndim), bool(call["keepdims"])
    mean = c.apply(nn.ReduceMean(dims, True), x.plain, suffix="mean")
    centred = c.apply(nn.Sub(), x.plain, mean, suffix="centred")
    y = c.apply(nn.ReduceMean(dims, keep), c.apply(nn.Square(), centred, suffix="square"), suffix="var")
    if kind == "Moments":
        return [Tensor(_dropped(c, mean, dims, keep, "mean/flat")), Tensor(y)]
    return Tensor(y if kind == "Var" else c.apply(nn.Sqrt(), y))


def _norm(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1", "ord", "axis", "keepdims")
    x = call.tensor()
    dims, keep, order = call.axes(x.ndim), bool(call["keepdims"]), call["ord"]
    if order in (None, "fro", "euclidean") or (order == 2 and len(dims) == 1):
        total = c.apply(nn.ReduceSum(dims, keep), c.apply(nn.Square(), x.plain, suffix="square"), suffix="sum")
        return Tensor(c.apply(nn.Sqrt(), total))
    size = c.apply(nn.Abs(), x.plain, suffix="size")
    order = {"inf": np.inf, "-inf": -np.inf, "Infinity": np.inf}.get(order, order)
    if len(dims) != 1 or isinstance(order, str):
        raise c.refuse(f"ord {order!r} over axes {dims}; the Frobenius norm and those of vectors are known")
    if np.isinf(order):
        return Tensor(c.apply((nn.ReduceMax if order > 0 else nn.ReduceMin)(dims, keep), size))
    if order == 0:
        return Tensor(c.apply(nn.ReduceSum(dims, keep), truth(c, x).plain))
    total = c.apply(nn.ReduceSum(dims, keep), c.apply(nn.Power(float(order)), size, suffix="power"), suffix="sum")
    return Tensor(c.apply(nn.Power(1 / float(order)), total))


def _average(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1", "axis", "weights", "keepdims")
    x = call.tensor()
    dims, keep = call.axes(x.ndim), bool(call["keepdims"])
    if call["weights"] is None:
        return Tensor(c.apply(nn.ReduceMean(dims, keep), x.plain))
    if isinstance(call["weights"], Tensor):
        weight = call["weights"].plain
        if weight.ndim != x.ndim:
            raise c.refuse("weights with other axes than the values")
        total = c.apply(nn.ReduceSum(dims, keep), c.apply(nn.Mul(), x.plain, weight, suffix="weighed"), suffix="total")
        return Tensor(c.apply(nn.Div(), total, c.apply(nn.ReduceSum(dims, keep), weight, suffix="weights")))
    weights = np.asarray(call.constant("weights"), np.float32)
    if len(dims) != 1 or weights.shape != (x.size(dims[0]),):
        raise c.refuse(f"weights of shape {weights.shape} over axes {dims}")
    weights = (weights / weights.sum()).reshape(-1, *[1] * (x.ndim - 1 - dims[0]))
    return Tensor(c.apply(nn.ReduceSum(dims, keep), c.apply(nn.MulConstant(weights), x.plain, suffix="weighed")))


def _nan_reduce(c: Conversion, kind: str) -> Tensor:
    """Reductions over what is a number: nansum, nanprod, nanmax, nanmin, nanmean, nanvar, nanstd."""
    call = Arguments(c, "x1", "axis", "keepdims")
    x = call.tensor()
    dims, keep = call.axes(x.ndim), bool(call["keepdims"])
    simple = {"Nansum": (0.0, nn.ReduceSum), "Nanprod": (1.0, nn.ReduceProd), "Nanmax": (-np.inf, nn.ReduceMax), "Nanmin": (np.inf, nn.ReduceMin)}
    if kind in simple:
        instead, layer = simple[kind]
        return Tensor(c.apply(layer(dims, keep), without_nan(c, x, instead).plain))
    there = negated(c, no_number(c, x), "there").plain
    count = c.apply(nn.ReduceSum(dims, True), there, suffix="count")
    mean = c.apply(nn.Div(), c.apply(nn.ReduceSum(dims, True), without_nan(c, x, 0.0).plain, suffix="total"), count, suffix="mean")
    if kind != "Nanmean":
        centred = c.apply(nn.Mul(), c.apply(nn.Sub(), without_nan(c, x, 0.0, "again").plain, mean, suffix="centred"), there, suffix="kept")
        square = c.apply(nn.ReduceSum(dims, True), c.apply(nn.Square(), centred, suffix="square"), suffix="squares")
        mean = c.apply(nn.Div(), square, count, suffix="var")
        mean = c.apply(nn.Sqrt(), mean, suffix="std") if kind == "Nanstd" else mean
    return Tensor(_dropped(c, mean, dims, keep))


def _argument_of_extreme(c: Conversion, kind: str) -> Tensor:
    """The first place of the extreme; NaN is the extreme but for the forms that skip it."""
    call = Arguments(c, "x1", "axis", "keepdims")
    x = call.tensor()
    axis, least = call.axis(x.ndim), kind.endswith("Argmin") or kind.endswith("argmin")
    if kind.startswith("Nan"):
        x = without_nan(c, x, np.inf if least else -np.inf)
    value = c.apply(nn.Negative(), x.plain, suffix="negative") if least else x.plain
    last = x.ndim - 1
    value = c.apply(nn.Transpose(axis, last), value, suffix="turned") if axis != last else value
    _, place = c.apply(nn.TopK(1), value, suffix="place")
    place = c.apply(nn.Transpose(axis, last), place, suffix="back") if axis != last else place
    return Tensor(_dropped(c, place, (axis,), bool(call["keepdims"])))


def _sorted(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1", "axis")
    x = call.tensor()
    axis, down = call.axis(x.ndim, -1), call["direction"] == "DESCENDING"  # TensorFlow's
    value = c.apply(nn.Negative(), x.plain, suffix="turned") if down else x.plain
    y = c.apply((nn.Sort if kind == "Sort" else nn.ArgSort)(axis), value, suffix="sorted" if down else "")
    return Tensor(c.apply(nn.Negative(), y) if down and kind == "Sort" else y)


def _top_k(c: Conversion, kind: str) -> list[Tensor]:
    call = Arguments(c, "x1", "k", "sorted")
    return [Tensor(value) for value in c.apply(nn.TopK(int(call["k"] or 1)), call.tensor().plain)]


def _in_top_k(c: Conversion, kind: str) -> Tensor:
    """Whether the score of the target is among the k largest: fewer than k scores are larger."""
    call = Arguments(c, "targets", "predictions", "k")
    scores = call.tensor("predictions").plain
    target = c.apply(nn.Unsqueeze(1), call.tensor("targets").plain, suffix="column")
    own = c.apply(nn.TakeAlong(1), scores, target, suffix="own")
    above = c.apply(nn.BinaryThreshold(0.0), c.apply(nn.Sub(), scores, own, suffix="difference"), suffix="above")
    rank = Tensor(c.apply(nn.ReduceSum((1,)), above, suffix="rank"))
    return c.each(nn.BinaryThreshold(0.5), c.each(nn.AddConstant(float(call["k"])), c.each(nn.Negative(), rank, "minus"), "room"))


def _running(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1", "axis", "exclusive", "reverse")
    x = call.tensor()
    axis = call.axis(x.ndim, 0 if c.spec.version[0] < 3 else None)
    product = kind.endswith("prod")
    if kind.startswith("Nan"):
        x = without_nan(c, x, 1.0 if product else 0.0)
    y = c.apply(nn.Reverse(axis), x.plain, suffix="turned") if call["reverse"] else x.plain
    if call["exclusive"]:  # TensorFlow's: what stands before each value
        pads = tuple((1, -1) if i == axis else (0, 0) for i in range(1, x.ndim))
        y = c.apply(nn.Pad(pads, 1.0 if product else 0.0), y, suffix="before")
    y = c.apply(nn.CumProd(axis) if product else nn.CumSum(axis), y, suffix="run" if call["reverse"] else "")
    return Tensor(c.apply(nn.Reverse(axis), y) if call["reverse"] else y)


def _quantile(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1", "q", "axis", "method", "keepdims")
    x, q = call.tensor(), 0.5 if kind == "Median" else call.constant("q")
    q = np.asarray(q, np.float64) / (100 if kind == "Percentile" else 1)
    if q.ndim:
        raise c.refuse("several quantiles at once, which stand before the batch")
    if not 0 <= q <= 1:
        raise c.fail(f"q is {float(q)}")
    return Tensor(c.apply(nn.Quantile(float(q), call.axes(x.ndim), bool(call["keepdims"]), str(call["method"] or "linear")), x.plain))


def _difference(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1", "n", "axis")
    x = call.tensor()
    axis, y = call.axis(x.ndim, -1), x.plain
    for i in range(int(call["n"] if call["n"] is not None else 1)):
        n = y.size(axis)
        if n < 2:
            raise c.refuse("differences of a single value")
        y = c.apply(nn.Sub(), c.apply(nn.Narrow(axis, 1, n - 1), y, suffix=f"next{i}"), c.apply(nn.Narrow(axis, 0, n - 1), y, suffix=f"own{i}"), suffix=f"step{i}")
    return Tensor(y)


def _trapezoid(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "heights", "x", "dx", "axis")
    y = call.tensor("heights")
    axis = call.axis(y.ndim, -1)
    n = y.size(axis)
    steps = np.full(n - 1, float(call["dx"] if call["dx"] is not None else 1.0)) if call["x"] is None else np.diff(call.constant("x"))
    if np.shape(steps) != (n - 1,):
        raise c.refuse("places that are no row of numbers")
    weights = (np.append(steps, 0) + np.append(0, steps)) / 2
    weighed = c.apply(nn.MulConstant(weights.astype(np.float32).reshape(-1, *[1] * (y.ndim - 1 - axis))), y.plain, suffix="weighed")
    return Tensor(c.apply(nn.ReduceSum((axis,)), weighed))


def _bincount(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1", "weights", "minlength")
    if call["weights"] is not None or not call["minlength"]:
        raise c.refuse("its width depends on the values; give minlength, and no weights")
    return Tensor(c.apply(nn.CountCategories(int(call["minlength"]), "count"), call.tensor().plain))


def _multi_hot(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1", "num_classes", "axis")
    x = call["x1"] if isinstance(call["x1"], Tensor) else call["inputs"]
    if not isinstance(x, Tensor) or call["axis"] not in (None, -1, x.ndim - 1):
        raise c.refuse(f"axis {call['axis']!r}")
    return Tensor(c.apply(nn.CountCategories(int(call["num_classes"]), "multi_hot"), x.plain))


def _take_along(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1", "indices", "axis")
    x = call.tensor()
    if not isinstance(call["indices"], Tensor):
        raise c.refuse("constant places; use take")
    return Tensor(c.apply(nn.TakeAlong(call.axis(x.ndim)), x.plain, call.tensor("indices").plain))


def _moved_norm(c: Conversion, kind: str) -> Tensor:
    """Normalisations as operations, with constant scales."""
    call = Arguments(c, "x1", "gamma", "beta", "axis", "epsilon")
    x = call.tensor()
    dims = call.axes(x.ndim, -1)
    y, eps = x.plain, float(call["epsilon"] if call["epsilon"] is not None else 1e-7)
    if call["rms_scaling"]:
        raise c.refuse("rms_scaling; the layer LayerNormalization has it")
    if kind == "LayerNorm":
        y = c.apply(nn.Sub(), y, c.apply(nn.ReduceMean(dims, True), y, suffix="mean"), suffix="centred")
    power = c.apply(nn.ReduceMean(dims, True), c.apply(nn.Square(), y, suffix="square"), suffix="power")
    result = two(c, Tensor(y), Tensor(c.apply(nn.Power(-0.5, shift=eps), power, suffix="factor")), nn.Mul(), "normal")
    for name, layer in (("gamma", nn.MulConstant), ("scale", nn.MulConstant), ("beta", nn.AddConstant)):
        if call[name] is not None:
            value = np.asarray(call.constant(name), np.float32)
            shape = [x.size(i) if i in dims else 1 for i in range(dims[0], x.ndim)]
            result = Tensor(c.apply(layer(value.reshape(shape) if value.ndim else value), result.plain, suffix=name))
    return result


KINDS: dict[str, Callable[[Conversion, str], Any]] = {
    **dict.fromkeys([*_REDUCE, "Any", "All", "CountNonzero", "Ptp"], _reduce), **dict.fromkeys(["Var", "Std", "Moments"], _spread),
    "Norm": _norm, "Average": _average, **dict.fromkeys(["Nansum", "Nanprod", "Nanmax", "Nanmin", "Nanmean", "Nanvar", "Nanstd"], _nan_reduce),
    **dict.fromkeys(["Argmax", "Argmin", "Nanargmax", "Nanargmin"], _argument_of_extreme), "Sort": _sorted, "Argsort": _sorted,
    "TopK": _top_k, "InTopK": _in_top_k, **dict.fromkeys(["Cumsum", "Cumprod", "Nancumsum", "Nancumprod"], _running),
    "Median": _quantile, "Quantile": _quantile, "Percentile": _quantile, "Diff": _difference, "Trapezoid": _trapezoid,
    "Bincount": _bincount, "MultiHot": _multi_hot, "TakeAlongAxis": _take_along, "LayerNorm": _moved_norm, "RMSNorm": _moved_norm,
}  # fmt: skip
