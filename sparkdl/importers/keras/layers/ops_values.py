"""Operations on single values of a functional model that are made of other operations: tests, remainders, whole numbers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from sparkdl import nn
from sparkdl.importers.keras.convert import Conversion
from sparkdl.importers.keras.layers.arguments import Arguments, constant
from sparkdl.importers.keras.layers.merge import aligned
from sparkdl.importers.keras.tensor import Tensor

_LARGEST = float(np.finfo(np.float32).max)
_INTEGER = ("int", "uint")


def two(c: Conversion, a: Tensor, b: Tensor, layer: nn.Layer, suffix: str = "") -> Tensor:
    """A layer of two inputs, brought to as many axes each."""
    values, moved = aligned(c, [a, b])
    y = c.apply(layer, *values, suffix=suffix)
    return Tensor(moved=y) if moved else Tensor(y)


def both(c: Conversion, a: Any, b: Any) -> tuple[Tensor, Tensor]:
    """Two operands as tensors; one of them may be a constant."""
    if not isinstance(a, Tensor) and not isinstance(b, Tensor):
        raise c.refuse("it combines constants only")
    return (a if isinstance(a, Tensor) else filled(c, b, a, "first")), (b if isinstance(b, Tensor) else filled(c, a, b, "second"))


def filled(c: Conversion, like: Tensor, value: Any, suffix: str) -> Tensor:
    """A constant as a tensor with the batch of ``like``."""
    number = value if isinstance(value, float | np.ndarray) else constant(c, value)
    like = like if np.ndim(number) == 0 else Tensor(like.plain)
    # a comparison that never holds is 0 everywhere, also where the value is infinite or no number
    zero = c.each(nn.BinaryThreshold(np.inf), like, f"{suffix}/zero")
    if np.ndim(number) and np.ndim(number) < like.ndim and any(n not in (1, m) for n, m in zip(np.shape(number)[::-1], like.plain.sizes()[::-1], strict=False)):
        zero = Tensor(c.apply(nn.Narrow(like.ndim - 1, 0, 1), zero.plain, suffix=f"{suffix}/column"))
        for axis in range(1, like.ndim - 1):
            zero = Tensor(c.apply(nn.Narrow(axis, 0, 1), zero.plain, suffix=f"{suffix}/column{axis}"))
        for axis, n in enumerate(np.shape(number)[::-1]):
            zero = Tensor(c.apply(nn.Repeat(like.ndim - 1 - axis, n), zero.plain, suffix=f"{suffix}/wide{axis}"))
    return c.each(nn.AddConstant(number), zero, suffix)


def truth(c: Conversion, x: Tensor, suffix: str = "truth") -> Tensor:
    """1 where a value is not 0, else 0."""
    return c.each(nn.BinaryThreshold(0.0), c.each(nn.Abs(), x, f"{suffix}/size"), suffix)


def negated(c: Conversion, x: Tensor, suffix: str = "") -> Tensor:
    """``1 - x``."""
    return c.each(nn.AddConstant(1.0), c.each(nn.Negative(), x, f"{suffix}/minus" if suffix else "minus"), suffix)


def where(c: Conversion, condition: Tensor, yes: Tensor, no: Tensor, suffix: str = "") -> Tensor:
    values, moved = aligned(c, [condition, yes, no])
    y = c.apply(nn.Where(), *values, suffix=suffix)
    return Tensor(moved=y) if moved else Tensor(y)


def no_number(c: Conversion, x: Tensor, suffix: str = "nan") -> Tensor:
    """1 where a value is NaN."""
    return c.each(nn.Function("isnan"), x, suffix)


def without_nan(c: Conversion, x: Tensor, instead: float, suffix: str = "numbers") -> Tensor:
    return where(c, no_number(c, x, f"{suffix}/nan"), filled(c, x, instead, f"{suffix}/instead"), x, suffix)


def _of_two(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1", "x2")
    return two(c, *both(c, call["x1"], call["x2"]), nn.FunctionOfTwo(_OF_TWO[kind]))


def _cast(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1", "dtype")
    kind = str(c.spec.config.get("dtype") or call["dtype"] or "float32").removeprefix("tf.")
    x = call.tensor()
    if kind == "bool":
        return truth(c, x, "")
    return c.each(nn.Function("trunc") if kind.startswith(_INTEGER) else nn.Identity(), x)


def _logical(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1", "x2")
    a, b = both(c, call["x1"], call["x2"])
    a, b = truth(c, a, "first"), truth(c, b, "second")
    if kind == "LogicalXor":
        return c.each(nn.Abs(), two(c, a, b, nn.Sub(), "difference"))
    return two(c, a, b, nn.Mul() if kind == "LogicalAnd" else nn.Maximum())


def _is_close(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1", "x2", "rtol", "atol")
    a, b = both(c, call["x1"], call["x2"])
    rtol, atol = (d if call[n] is None else float(call[n]) for n, d in (("rtol", 1e-5), ("atol", 1e-8)))
    distance = c.each(nn.Abs(), two(c, a, b, nn.Sub(), "difference"), "distance")
    room = c.each(nn.AddConstant(atol), c.each(nn.MulConstant(rtol), c.each(nn.Abs(), b, "size"), "part"), "room")
    return negated(c, c.each(nn.BinaryThreshold(0.0), two(c, distance, room, nn.Sub(), "beyond"), "far"))


def _is_infinite(c: Conversion, kind: str) -> Tensor:
    x = Arguments(c, "x1").tensor()
    return c.each(nn.BinaryThreshold(_LARGEST), c.each(nn.Negative(), x, "negative") if kind == "Isneginf" else x)


def _is_in(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1", "x2", "invert")
    listed = np.ravel(call.constant("x2"))
    if len(listed) > 1000:
        raise c.refuse(f"{len(listed)} constants to compare with; up to 1,000 are known")
    found = None
    for i, value in enumerate(listed):
        near = c.each(nn.Abs(), c.each(nn.AddConstant(-float(value)), call.tensor(), f"minus{i}"), f"distance{i}")
        equal = negated(c, c.each(nn.BinaryThreshold(0.0), near, f"other{i}"), f"equal{i}")
        found = equal if found is None else two(c, found, equal, nn.Maximum(), f"found{i}")
    if found is None:
        found = c.each(nn.MulConstant(0.0), call.tensor(), "none")
    return negated(c, found) if call["invert"] else found


def _nan_to_num(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1", "nan", "posinf", "neginf")
    x = without_nan(c, call.tensor(), float(call["nan"] or 0.0))
    for name, turned in (("posinf", False), ("neginf", True)):
        if call[name] is not None:
            side = c.each(nn.BinaryThreshold(_LARGEST), c.each(nn.Negative(), x, f"{name}/turned") if turned else x, f"{name}/where")
            x = where(c, side, filled(c, x, float(call[name]), f"{name}/value"), x, name)
    return c.each(nn.Clamp(-_LARGEST, _LARGEST), x)


def _divide_no_nan(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1", "x2")
    a, b = both(c, call["x1"], call["x2"])
    some = truth(c, b)
    safe = two(c, b, negated(c, some, "none"), nn.Add(), "safe")
    return two(c, two(c, a, safe, nn.Div(), "quotient"), some, nn.Mul())


def _ldexp(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1", "x2")
    a, b = both(c, call["x1"], call["x2"])
    return two(c, a, c.each(nn.Function("exp2"), b, "power"), nn.Mul())


def _ignoring_nan(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1", "x2")
    a, b = both(c, call["x1"], call["x2"])
    first, second = where(c, no_number(c, a, "nan1"), b, a, "first"), where(c, no_number(c, b, "nan2"), a, b, "second")
    return two(c, first, second, nn.Maximum() if kind == "Fmax" else nn.Minimum())


def _round(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1", "decimals")
    x, factor = call.tensor(), 10.0 ** int(call["decimals"] or 0)
    if factor == 1:
        return c.each(nn.Function("round"), x)
    return c.each(nn.MulConstant(1 / factor), c.each(nn.Function("round"), c.each(nn.MulConstant(factor), x, "scaled"), "whole"))


def _bins(c: Conversion, kind: str) -> Tensor:
    """``digitize(x, bins)`` and ``searchsorted(sequence, values)`` with constant boundaries."""
    call = Arguments(c, "x1", "bins") if kind == "Digitize" else Arguments(c, "sorted_sequence", "values", "side")
    x = call.tensor("x1" if kind == "Digitize" else "xs" if "xs" in call.values else "values")
    bounds = np.unique(np.ravel(call.constant("bins" if kind == "Digitize" else "sorted_sequence"))).tolist()
    if kind == "SearchSorted" and (call["side"] or "left") == "left":
        above = c.each(nn.Bins(tuple(-b for b in bounds[::-1])), c.each(nn.Negative(), x, "negative"), "above")
        return c.each(nn.AddConstant(float(len(bounds))), c.each(nn.Negative(), above, "turned"))
    return c.each(nn.Bins(tuple(bounds)), x)


def _crossentropy(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "target", "output", "from_logits", "axis")
    target, output = call.tensor("target"), call.tensor("output")
    if kind == "BinaryCrossentropy":
        p = c.each(nn.Sigmoid(), output, "sigmoid") if call["from_logits"] else output
        p = c.each(nn.Clamp(1e-7, 1 - 1e-7), p, "inside")
        yes = two(c, target, c.each(nn.Log(), p, "log"), nn.Mul(), "yes")
        no = two(c, negated(c, target, "rest"), c.each(nn.Log(), negated(c, p, "other"), "log_other"), nn.Mul(), "no")
        return c.each(nn.Negative(), two(c, yes, no, nn.Add(), "both"))
    if call["axis"] not in (None, -1, output.ndim - 1):
        raise c.refuse(f"axis {call['axis']!r}")
    last = output.ndim - 1
    if call["from_logits"]:
        logs = Tensor(c.apply(nn.LogSoftmax(last), output.plain, suffix="log"))
    else:
        total = c.apply(nn.ReduceSum((last,), True), output.plain, suffix="total")
        share = c.apply(nn.Clamp(1e-7, 1 - 1e-7), c.apply(nn.Div(), output.plain, total, suffix="share"), suffix="inside")
        logs = Tensor(c.apply(nn.Log(), share, suffix="log"))
    if kind == "SparseCategoricalCrossentropy":
        value = target.plain
        if value.ndim == output.ndim:
            value = c.apply(nn.Squeeze(last), value, suffix="labels")
        target = Tensor(c.apply(nn.CountCategories(output.size(last), "one_hot"), value, suffix="one_hot"))
    product = two(c, target, logs, nn.Mul(), "product").plain
    return c.each(nn.Negative(), Tensor(c.apply(nn.ReduceSum((last,)), product, suffix="sum")))


_OF_TWO = {
    "Arctan2": "arctan2", "Hypot": "hypot", "Fmod": "fmod", "Logaddexp": "logaddexp", "Logaddexp2": "logaddexp2",
    "Heaviside": "heaviside", "BitwiseAnd": "bitwise_and", "BitwiseOr": "bitwise_or", "BitwiseXor": "bitwise_xor",
    "BitwiseLeftShift": "left_shift", "LeftShift": "left_shift", "BitwiseRightShift": "right_shift", "RightShift": "right_shift",
    "Gcd": "gcd", "Lcm": "lcm",
}  # fmt: skip
_SAME = {
    "Fabs": nn.Abs, "Copy": nn.Identity, "Conj": nn.Identity, "Conjugate": nn.Identity, "Real": nn.Identity,
    "Deg2rad": partial(nn.MulConstant, np.pi / 180), "Rad2deg": partial(nn.MulConstant, 180 / np.pi),
}  # fmt: skip


def _same(c: Conversion, kind: str) -> Tensor:
    return c.each(_SAME[kind](), Arguments(c, "x1").tensor())


def _full_like(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1", "fill_value")
    return filled(c, call.tensor(), {"Isreal": 1.0, "EmptyLike": 0.0, "Imag": 0.0}.get(kind, call["fill_value"]), "")


KINDS: dict[str, Callable[[Conversion, str], Any]] = {
    **dict.fromkeys(_OF_TWO, _of_two), **dict.fromkeys(_SAME, _same), "Cast": _cast, "SaturateCast": _cast,
    "LogicalAnd": _logical, "LogicalOr": _logical, "LogicalXor": _logical,
    "LogicalNot": lambda c, kind: negated(c, truth(c, Arguments(c, "x1").tensor())),
    "Isclose": _is_close, "Isposinf": _is_infinite, "Isneginf": _is_infinite, "IsIn": _is_in, "NanToNum": _nan_to_num,
    "Isreal": _full_like, "EmptyLike": _full_like, "FullLike": _full_like, "Imag": _full_like,
    "DivideNoNan": _divide_no_nan, "Ldexp": _ldexp, "Fmax": _ignoring_nan, "Fmin": _ignoring_nan, "Round": _round,
    "Digitize": _bins, "SearchSorted": _bins,
    "Erfc": lambda c, kind: negated(c, c.each(nn.Erf(), Arguments(c, "x1").tensor(), "erf")),
    "BitwiseInvert": lambda c, kind: c.each(nn.AddConstant(-1.0), c.each(nn.Negative(), Arguments(c, "x1").tensor(), "minus")),
    "BitwiseNot": lambda c, kind: c.each(nn.AddConstant(-1.0), c.each(nn.Negative(), Arguments(c, "x1").tensor(), "minus")),
    "BinaryCrossentropy": _crossentropy, "CategoricalCrossentropy": _crossentropy, "SparseCategoricalCrossentropy": _crossentropy,
}  # fmt: skip
