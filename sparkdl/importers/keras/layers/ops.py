"""Operations on tensors that were written out in a functional model: ``x + y``, ``keras.ops.mean(x)``, ``tf.nn.relu(x)``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from sparkdl import nn
from sparkdl.importers.keras import activations
from sparkdl.importers.keras.convert import Conversion
from sparkdl.importers.keras.layers import ops_shape
from sparkdl.importers.keras.layers.arguments import Arguments, constant
from sparkdl.importers.keras.layers.merge import aligned
from sparkdl.importers.keras.spec import LayerSpec
from sparkdl.importers.keras.table import converts
from sparkdl.importers.keras.tensor import Tensor
from sparkdl.importers.keras.tf_names import TF

_BINARY = {"Add": "Add", "Subtract": "Sub", "Multiply": "Mul", "Divide": "Div", "TrueDivide": "Div", "Maximum": "Maximum", "Minimum": "Minimum"}
_UNARY: dict[str, Callable[[], nn.Layer]] = {
    "Exp": lambda: nn.Exp(), "Log": lambda: nn.Log(), "Sqrt": lambda: nn.Sqrt(), "Square": lambda: nn.Square(),
    "Absolute": lambda: nn.Abs(), "Abs": lambda: nn.Abs(), "Negative": lambda: nn.Negative(), "Rsqrt": lambda: nn.Power(-0.5),
    "Reciprocal": lambda: nn.Reciprocal(), "Erf": lambda: nn.Erf(), "Identity": lambda: nn.Identity(), "Cast": lambda: nn.Identity(),
    "StopGradient": lambda: nn.Identity(), "ConvertToTensor": lambda: nn.Identity(), "ZerosLike": lambda: nn.MulConstant(0.0),
    **{name.capitalize(): partial(nn.Function, name) for name in nn.Function.NAMES},
}  # fmt: skip
_LOGARITHMS = {"Log2": np.log(2), "Log10": np.log(10)}
_ACTIVATIONS = {
    "Relu": "relu", "Relu6": "relu6", "Sigmoid": "sigmoid", "Tanh": "tanh", "Softplus": "softplus", "Softsign": "softsign",
    "Silu": "silu", "Swish": "silu", "LogSigmoid": "log_sigmoid", "HardSigmoid": "hard_sigmoid", "HardSilu": "hard_silu",
    "HardSwish": "hard_silu", "Selu": "selu", "HardTanh": "hard_tanh", "TanhShrink": "tanh_shrink", "Mish": "mish",
    "SparseSigmoid": "sparse_sigmoid", "Squareplus": "squareplus", "SparsePlus": "sparse_plus",
}  # fmt: skip
# activations with a number: its names, Keras's default, and the layer
_WITH_NUMBER: dict[str, tuple[tuple[str, ...], float, Callable[[float], nn.Layer]]] = {
    "LeakyRelu": (("negative_slope", "alpha"), 0.2, lambda a: nn.LeakyReLU(a)),
    "Elu": (("alpha",), 1.0, lambda a: nn.ELU(a)),
    "Celu": (("alpha",), 1.0, lambda a: nn.CELU(a)),
    "SoftShrink": (("threshold",), 0.5, lambda a: nn.Softshrink(a)),
    "HardShrink": (("threshold",), 0.5, lambda a: nn.Hardshrink(a)),
}
_REDUCE = {"Sum": "ReduceSum", "Mean": "ReduceMean", "Average": "ReduceMean", "Max": "ReduceMax", "Amax": "ReduceMax",
           "Any": "ReduceMax", "All": "ReduceMin", "Min": "ReduceMin", "Amin": "ReduceMin", "Logsumexp": "ReduceLogSumExp"}  # fmt: skip
_COMPARE = ("Greater", "Less", "GreaterEqual", "LessEqual", "Equal", "NotEqual")


def _two(c: Conversion, a: Tensor, b: Tensor, layer: nn.Layer, suffix: str = "") -> Tensor:
    values, moved = aligned(c, [a, b])
    y = c.apply(layer, *values, suffix=suffix)
    return Tensor(moved=y) if moved else Tensor(y)


def binary(c: Conversion, kind: str, a: Any, b: Any, suffix: str = "") -> Tensor:
    """``a kind b``, one of which may be a constant."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return _two(c, a, b, getattr(nn, _BINARY[kind])(), suffix)
    x, given, reverse = (a, b, False) if isinstance(a, Tensor) else (b, a, True)
    if not isinstance(x, Tensor):
        raise c.refuse("it combines constants only")
    number = constant(c, given)
    if kind in ("Maximum", "Minimum"):
        if np.ndim(number):
            raise c.refuse("an extreme with an array of constants")
        low, high = (float(number), np.inf) if kind == "Maximum" else (-np.inf, float(number))
        return c.each(nn.Clamp(low, high), x, suffix)
    plain = x if np.ndim(number) == 0 else Tensor(x.plain, mask=x.mask)
    if kind == "Add":
        return c.each(nn.AddConstant(number), plain, suffix)
    if kind == "Multiply":
        return c.each(nn.MulConstant(number), plain, suffix)
    if kind == "Subtract":
        y = c.each(nn.Negative(), plain, f"{suffix}/negative" if suffix else "negative") if reverse else plain
        return c.each(nn.AddConstant(number if reverse else -number), y, suffix)
    if reverse:
        return c.each(nn.MulConstant(number), c.each(nn.Reciprocal(), plain, "inverse"), suffix)
    return c.each(nn.MulConstant(1 / number), plain, suffix)


def _compared(c: Conversion, kind: str) -> Tensor:
    """1 where the comparison holds, else 0."""
    call = Arguments(c, "x1", "x2")
    less = kind.startswith(("Less", "GreaterEqual"))  # a >= b is not (b > a)
    difference = binary(c, "Subtract", *((call["x2"], call["x1"]) if less else (call["x1"], call["x2"])), suffix="difference")
    if kind in ("Equal", "NotEqual"):
        difference = c.each(nn.Abs(), difference, "distance")
    if kind == "LessEqual":
        difference = c.each(nn.Negative(), difference, "turned")
    above = c.each(nn.BinaryThreshold(0.0), difference, "above")
    return above if kind in ("Greater", "Less", "NotEqual") else _not(c, above)


def _not(c: Conversion, x: Tensor) -> Tensor:
    return c.each(nn.AddConstant(1.0), c.each(nn.Negative(), x, "minus"))


def _where(c: Conversion) -> Tensor:
    call = Arguments(c, "condition", "x1", "x2")
    condition = call.tensor("condition")

    def full(name: str) -> Tensor:
        if isinstance(call[name], Tensor):
            return call[name]
        return c.each(nn.AddConstant(call.constant(name)), c.each(nn.MulConstant(0.0), condition, f"{name}/zero"), name)

    values, moved = aligned(c, [condition, full("x1"), full("x2")])
    y = c.apply(nn.Where(), *values)
    return Tensor(moved=y) if moved else Tensor(y)


def _reduce(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1", "axis", "keepdims")
    x = call.tensor()
    dims, keep = call.axes(x.ndim), bool(call["keepdims"])
    if kind in ("Var", "Std"):
        centred = c.apply(nn.Sub(), x.plain, c.apply(nn.ReduceMean(dims, True), x.plain, suffix="mean"), suffix="centred")
        y = c.apply(nn.ReduceMean(dims, keep), c.apply(nn.Square(), centred, suffix="square"), suffix="var")
        return Tensor(y if kind == "Var" else c.apply(nn.Sqrt(), y))
    if kind == "Norm":
        return Tensor(c.apply(nn.Sqrt(), c.apply(nn.ReduceSum(dims, keep), c.apply(nn.Square(), x.plain, suffix="square"), suffix="sum")))
    return Tensor(c.apply(getattr(nn, _REDUCE[kind])(dims, keep), x.plain))


def _argument_of_extreme(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1", "axis", "keepdims")
    x = call.tensor()
    axis = call.axis(x.ndim)
    value = x.plain if kind == "Argmax" else c.apply(nn.Negative(), x.plain, suffix="negative")
    y = c.apply(nn.TopKIndices(1, axis), value, suffix="place")
    return Tensor(y if call["keepdims"] else c.apply(nn.Reshape(tuple(n for i, n in enumerate(y.sizes(), 1) if i != axis)), y))


def _with_remainder(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1", "x2")
    quotient = c.each(nn.Function("floor"), binary(c, "Divide", call["x1"], call["x2"], "quotient"), "whole")
    if kind == "FloorDivide":
        return quotient
    return binary(c, "Subtract", call["x1"], binary(c, "Multiply", quotient, call["x2"], "product"))


def _clip(c: Conversion) -> Tensor:
    call = Arguments(c, "x1", "x_min", "x_max")
    low, high = (call.constant("x_min" if call["x_min"] is not None else "clip_value_min"),
                 call.constant("x_max" if call["x_max"] is not None else "clip_value_max"))  # fmt: skip
    return c.each(nn.Clamp(low, high), call.tensor())


def _activation(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1")
    x = call.tensor()
    if kind in _WITH_NUMBER:
        names, default, make = _WITH_NUMBER[kind]
        given = next((call[name] for name in names if call[name] is not None), default)
        return c.each(make(float(constant(c, given))), x)
    if kind in ("Softmax", "LogSoftmax", "Sparsemax", "Glu"):
        axis = call["axis"]
        if axis in (None, -1, x.ndim - 1):
            return activations.apply(c, {"LogSoftmax": "log_softmax"}.get(kind, kind.lower()), x)
        return Tensor(c.apply({"Softmax": nn.Softmax, "LogSoftmax": nn.LogSoftmax, "Glu": nn.GLU}[kind](call.axis(x.ndim)), x.plain))
    if kind == "Gelu":
        exact = call["approximate"] is False or (c.spec.version[0] < 3 and not call["approximate"])
        return c.each(nn.GELU("none" if exact else "tanh"), x)
    if kind == "Threshold":
        return c.each(nn.Threshold(call.constant("threshold"), call.constant("default_value")), x)
    return activations.apply(c, _ACTIVATIONS[kind], x)


def _normalize(c: Conversion) -> Tensor:
    call = Arguments(c, "x1", "axis", "order")
    x = call.tensor()
    if call["order"] not in (None, 2):
        raise c.refuse(f"order {call['order']!r}")
    return Tensor(c.apply(nn.L2Normalize(call.axes(x.ndim, -1), eps=float(call["epsilon"] or 1e-12)), x.plain))


def _convert(c: Conversion, kind: str) -> Any:
    if kind in ops_shape.KINDS:
        return ops_shape.convert(c, kind)
    if kind in _BINARY:
        call = Arguments(c, "x1", "x2")
        return binary(c, kind, call["x1"], call["x2"])
    if kind in _REDUCE or kind in ("Var", "Std", "Norm"):
        return _reduce(c, kind)
    if kind in _COMPARE:
        return _compared(c, kind)
    if kind in _SPECIAL:
        return _SPECIAL[kind](c, kind)
    if kind in _UNARY:
        return c.each(_UNARY[kind](), Arguments(c, "x1").tensor())
    return _activation(c, kind)


def _matmul(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1", "x2")
    layer = nn.MatMul(transpose_a=bool(call["transpose_a"]), transpose_b=bool(call["transpose_b"]))
    return Tensor(c.apply(layer, call.tensor().plain, call.tensor("x2").plain))


def _logical(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1", "x2")
    return _two(c, call.tensor(), call.tensor("x2"), nn.Mul() if kind == "LogicalAnd" else nn.Maximum())


def _add_all(c: Conversion, kind: str) -> Tensor:
    tensors = [t for t in Arguments(c, "xs")["xs"] or [] if isinstance(t, Tensor)]
    return tensors[0] if len(tensors) == 1 else Tensor(c.apply(nn.Add(), *[t.plain for t in tensors]))


def _squared_difference(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1", "x2")
    return c.each(nn.Square(), binary(c, "Subtract", call["x1"], call["x2"], "difference"))


def _local_response_norm(c: Conversion, kind: str) -> Tensor:
    """TensorFlow's: over channels, not divided by the size of the window."""
    call = Arguments(c, "x1", "depth_radius", "bias", "alpha", "beta")
    radius, k, alpha, beta = (d if call[n] is None else call[n] for n, d in (("depth_radius", 5), ("bias", 1.0), ("alpha", 1.0), ("beta", 0.5)))
    size = 2 * int(radius) + 1
    return Tensor(moved=c.apply(nn.LocalResponseNorm(size, alpha=float(alpha) * size, beta=float(beta), k=float(k)), call.tensor().moved))


_SPECIAL: dict[str, Callable[[Conversion, str], Any]] = {
    "Where": lambda c, kind: _where(c), "LogicalNot": lambda c, kind: _not(c, Arguments(c, "x1").tensor()),
    "LogicalAnd": _logical, "LogicalOr": _logical, "Argmax": _argument_of_extreme, "Argmin": _argument_of_extreme,
    "Mod": _with_remainder, "FloorDivide": _with_remainder, "Clip": lambda c, kind: _clip(c), "Matmul": _matmul, "AddN": _add_all,
    "LocalResponseNorm": _local_response_norm, "SquaredDifference": _squared_difference, "Normalize": lambda c, kind: _normalize(c),
    "OnesLike": lambda c, kind: c.each(nn.AddConstant(1.0), c.each(nn.MulConstant(0.0), Arguments(c, "x1").tensor(), "zero")),
    "Power": lambda c, kind: c.each(nn.Power(float(Arguments(c, "x1", "x2").constant("x2"))), Arguments(c, "x1", "x2").tensor()),
    **{kind: (lambda c, kind: c.each(nn.MulConstant(float(1 / _LOGARITHMS[kind])), c.each(nn.Log(), Arguments(c, "x1").tensor(), "log"))) for kind in _LOGARITHMS},
}  # fmt: skip


def kinds() -> list[str]:
    """All operations by their names in Keras 3."""
    return list(dict.fromkeys([
        *_BINARY, *_REDUCE, "Var", "Std", "Norm", *_COMPARE, *_SPECIAL, *_UNARY, *_ACTIVATIONS, *_WITH_NUMBER, "Softmax",
        "LogSoftmax", "Sparsemax", "Glu", "Gelu", "Threshold", *ops_shape.KINDS,
    ]))  # fmt: skip


@converts(*(f"ops.{kind}" for kind in kinds()), note="operations of keras.ops and operators in functional models")
def operation(c: Conversion) -> Any:
    return _convert(c, c.spec.kind.removeprefix("ops."))


def _function(spec: LayerSpec) -> str:
    return str(spec.config.get("function") or "").removeprefix("compat.v1.")


@converts("TFOpLambda", "SlicingOpLambda", refuse=lambda spec: None if _function(spec) in TF else f"function {_function(spec)!r}",
          note="operators and common functions of tf.math, tf.nn and tf.image")  # fmt: skip
def tf_op(c: Conversion) -> Any:
    return _convert(c, TF[_function(c.spec)])
