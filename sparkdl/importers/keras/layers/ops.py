"""Operations on tensors that were written out in a functional model: ``x + y``, ``keras.ops.mean(x)``, ``tf.nn.relu(x)``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from sparkdl import nn
from sparkdl.importers.keras import activations
from sparkdl.importers.keras.convert import Conversion
from sparkdl.importers.keras.layers import ops_order, ops_parts, ops_pictures, ops_products, ops_shape, ops_values
from sparkdl.importers.keras.layers.arguments import Arguments, constant
from sparkdl.importers.keras.layers.ops_values import both, filled, negated, truth, two, where
from sparkdl.importers.keras.spec import LayerSpec
from sparkdl.importers.keras.table import converts
from sparkdl.importers.keras.tensor import Tensor
from sparkdl.importers.keras.tf_names import TF

_BINARY = {"Add": "Add", "Subtract": "Sub", "Multiply": "Mul", "Divide": "Div", "TrueDivide": "Div", "Maximum": "Maximum", "Minimum": "Minimum"}
_UNARY: dict[str, Callable[[], nn.Layer]] = {
    "Exp": lambda: nn.Exp(), "Log": lambda: nn.Log(), "Sqrt": lambda: nn.Sqrt(), "Square": lambda: nn.Square(),
    "Absolute": lambda: nn.Abs(), "Abs": lambda: nn.Abs(), "Negative": lambda: nn.Negative(), "Rsqrt": lambda: nn.Power(-0.5),
    "Reciprocal": lambda: nn.Reciprocal(), "Erf": lambda: nn.Erf(), "Identity": lambda: nn.Identity(),
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
_ELSEWHERE = {**ops_values.KINDS, **ops_order.KINDS, **ops_products.KINDS, **ops_parts.KINDS, **ops_pictures.KINDS}
_COMPARE = ("Greater", "Less", "GreaterEqual", "LessEqual", "Equal", "NotEqual")


def binary(c: Conversion, kind: str, a: Any, b: Any, suffix: str = "") -> Tensor:
    """``a kind b``, one of which may be a constant."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return two(c, a, b, getattr(nn, _BINARY[kind])(), suffix)
    x, given, reverse = (a, b, False) if isinstance(a, Tensor) else (b, a, True)
    if not isinstance(x, Tensor):
        raise c.refuse("it combines constants only")
    number = constant(c, given)
    if np.ndim(number) > x.ndim - 1 or kind in ("Maximum", "Minimum") and np.ndim(number):
        return two(c, *both(c, a, b), getattr(nn, _BINARY[kind])(), suffix)
    if kind in ("Maximum", "Minimum"):
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
    return above if kind in ("Greater", "Less", "NotEqual") else negated(c, above)


def _where(c: Conversion) -> Tensor:
    call = Arguments(c, "condition", "x1", "x2")
    condition = truth(c, call.tensor("condition"))
    yes, no = (v if isinstance(v, Tensor) else filled(c, condition, v, n) for n, v in (("yes", call["x1"]), ("no", call["x2"])))
    return where(c, condition, yes, no)


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
        dims, size = call.axes(x.ndim, -1), c.apply(nn.Abs(), x.plain, suffix="size")
        if not isinstance(call["order"], int) or call["order"] < 1:
            raise c.refuse(f"order {call['order']!r}")
        total = c.apply(nn.ReduceSum(dims, True), c.apply(nn.Power(float(call["order"])), size, suffix="power"), suffix="sum")
        root = c.apply(nn.Power(1 / float(call["order"])), total, suffix="root")
        return Tensor(c.apply(nn.Div(), x.plain, c.apply(nn.Clamp(float(call["epsilon"] or 1e-12), np.inf), root, suffix="floor")))
    return Tensor(c.apply(nn.L2Normalize(call.axes(x.ndim, -1), eps=float(call["epsilon"] or 1e-12)), x.plain))


def _convert(c: Conversion, kind: str) -> Any:
    if kind in ops_shape.KINDS:
        return ops_shape.convert(c, kind)
    if kind in _BINARY:
        call = Arguments(c, "x1", "x2")
        return binary(c, kind, call["x1"], call["x2"])
    if kind in _ELSEWHERE:
        return _ELSEWHERE[kind](c, kind)
    if kind in _COMPARE:
        return _compared(c, kind)
    if kind in _SPECIAL:
        return _SPECIAL[kind](c, kind)
    if kind in _UNARY:
        return c.each(_UNARY[kind](), Arguments(c, "x1").tensor())
    return _activation(c, kind)


def _power(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1", "x2")
    if isinstance(call["x1"], Tensor) and not isinstance(call["x2"], Tensor) and np.ndim(call.constant("x2")) == 0:
        return c.each(nn.Power(float(call.constant("x2"))), call.tensor())
    return two(c, *both(c, call["x1"], call["x2"]), nn.FunctionOfTwo("power"))


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
    "Where": lambda c, kind: _where(c), "Mod": _with_remainder, "FloorDivide": _with_remainder, "Clip": lambda c, kind: _clip(c), "AddN": _add_all,
    "LocalResponseNorm": _local_response_norm, "SquaredDifference": _squared_difference, "Normalize": lambda c, kind: _normalize(c),
    "OnesLike": lambda c, kind: c.each(nn.AddConstant(1.0), c.each(nn.MulConstant(0.0), Arguments(c, "x1").tensor(), "zero")),
    "Power": _power,
    **{kind: (lambda c, kind: c.each(nn.MulConstant(float(1 / _LOGARITHMS[kind])), c.each(nn.Log(), Arguments(c, "x1").tensor(), "log"))) for kind in _LOGARITHMS},
}  # fmt: skip


def kinds() -> list[str]:
    """All operations by their names in Keras 3."""
    return list(dict.fromkeys([
        *_BINARY, *_ELSEWHERE, *_COMPARE, *_SPECIAL, *_UNARY, *_ACTIVATIONS, *_WITH_NUMBER, "Softmax",
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
