"""Operations on tensors that were written out in a functional model: ``x + y``, ``keras.ops.mean(x)``, ``tf.nn.relu(x)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sparkdl import nn
from sparkdl.importers.keras import activations
from sparkdl.importers.keras.convert import Conversion
from sparkdl.importers.keras.layers.merge import aligned
from sparkdl.importers.keras.spec import LayerSpec
from sparkdl.importers.keras.table import converts
from sparkdl.importers.keras.tensor import Tensor

_BINARY = {"Add": "Add", "Subtract": "Sub", "Multiply": "Mul", "Divide": "Div", "TrueDivide": "Div", "Maximum": "Maximum", "Minimum": "Minimum"}
_UNARY: dict[str, Callable[[], nn.Layer]] = {
    "Exp": lambda: nn.Exp(), "Log": lambda: nn.Log(), "Sqrt": lambda: nn.Sqrt(), "Square": lambda: nn.Square(),
    "Absolute": lambda: nn.Abs(), "Abs": lambda: nn.Abs(), "Negative": lambda: nn.MulConstant(-1.0),
    "Rsqrt": lambda: nn.Power(-0.5), "Reciprocal": lambda: nn.Power(-1.0), "Identity": lambda: nn.Identity(),
    "Cast": lambda: nn.Identity(), "StopGradient": lambda: nn.Identity(),
}  # fmt: skip
_ACTIVATIONS = {
    "Relu": "relu", "Relu6": "relu6", "Sigmoid": "sigmoid", "Tanh": "tanh", "Softplus": "softplus", "Softsign": "softsign",
    "Silu": "silu", "Swish": "silu", "LogSigmoid": "log_sigmoid", "LeakyRelu": "leaky_relu", "HardSigmoid": "hard_sigmoid",
    "HardSilu": "hard_silu", "HardSwish": "hard_silu", "Elu": "elu", "Selu": "selu", "HardTanh": "hard_tanh", "Celu": "celu",
    "TanhShrink": "tanh_shrink", "SoftShrink": "soft_shrink", "HardShrink": "hard_shrink", "Mish": "mish",
}  # fmt: skip
_REDUCE = {"Sum": "ReduceSum", "Mean": "ReduceMean", "Max": "ReduceMax", "Amax": "ReduceMax"}

# functions of tf.keras's TFOpLambda -> the operation of Keras 3
_TF = {
    "__operators__.add": "Add", "math.add": "Add", "math.subtract": "Subtract", "math.multiply": "Multiply",
    "math.truediv": "Divide", "math.divide": "Divide", "math.maximum": "Maximum", "math.minimum": "Minimum",
    "nn.relu": "Relu", "nn.relu6": "Relu6", "math.sigmoid": "Sigmoid", "nn.sigmoid": "Sigmoid", "math.tanh": "Tanh",
    "nn.tanh": "Tanh", "nn.softmax": "Softmax", "nn.silu": "Silu", "nn.gelu": "Gelu", "nn.elu": "Elu", "nn.selu": "Selu",
    "nn.leaky_relu": "LeakyRelu", "math.exp": "Exp", "math.log": "Log", "math.sqrt": "Sqrt", "math.square": "Square",
    "math.abs": "Abs", "math.negative": "Negative", "math.rsqrt": "Rsqrt", "math.pow": "Power", "math.reduce_mean": "Mean",
    "math.reduce_sum": "Sum", "math.reduce_max": "Max", "reshape": "Reshape", "transpose": "Transpose", "concat": "Concatenate",
    "expand_dims": "ExpandDims", "squeeze": "Squeeze", "cast": "Cast", "identity": "Identity", "stack": "Stack",
    "linalg.matmul": "Matmul", "__operators__.getitem": "GetItem", "compat.v1.transpose": "Transpose",
}  # fmt: skip


class _Call:
    """Arguments by position or keyword, tensors and constants."""

    def __init__(self, c: Conversion, names: tuple[str, ...]) -> None:
        self.values = dict(zip(names, c.args, strict=False))
        aliases = {"y": "x2", "b": "x2", "a": "x1", "x": "x1", "input": "x1", "inputs": "x1", "features": "x1", "logits": "x1",
                   "input_tensor": "x1", "tensor": "x1", "values": "xs", "dim": "axis", "perm": "axes", "newshape": "shape", "target_shape": "shape",
                   "keepdim": "keepdims", "tensors": "xs", "arrays": "xs"}  # fmt: skip
        config = {k: v for k, v in c.spec.config.items() if k not in ("name", "trainable", "dtype", "function", "module", "data_format")}
        for key, value in [*config.items(), *c.kwargs.items()]:
            key = aliases.get(key, key) if aliases.get(key, key) in names else key
            if key in names or key not in self.values:
                self.values.setdefault(key, value)

    def __getitem__(self, name: str) -> Any:
        return self.values.get(name)

    def tensor(self, c: Conversion, name: str = "x1") -> Tensor:
        value = self.values.get(name)
        if not isinstance(value, Tensor):
            raise c.refuse(f"argument {name} is {str(value)[:60]!r}, not a tensor of the model")
        return value


def _binary(c: Conversion, kind: str) -> Tensor:
    call = _Call(c, ("x1", "x2"))
    a, b = call["x1"], call["x2"]
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        values, moved = aligned(c, [a, b])
        y = c.apply(getattr(nn, _BINARY[kind])(), *values)
        return Tensor(moved=y) if moved else Tensor(y)
    x, constant, reverse = (a, b, False) if isinstance(a, Tensor) else (b, a, True)
    if not isinstance(x, Tensor):
        raise c.refuse("it combines constants only")
    number = _constant(c, constant)
    if kind in ("Maximum", "Minimum"):
        if np.ndim(number):
            raise c.refuse("an extreme with an array of constants")
        low, high = (float(number), np.inf) if kind == "Maximum" else (-np.inf, float(number))
        return c.each(nn.Clamp(low, high), x)
    plain = x if np.ndim(number) == 0 else Tensor(x.plain, mask=x.mask)
    if kind == "Add":
        return c.each(nn.AddConstant(number), plain)
    if kind == "Multiply":
        return c.each(nn.MulConstant(number), plain)
    if kind == "Subtract":
        y = c.each(nn.MulConstant(-1.0), plain, "negative") if reverse else plain
        return c.each(nn.AddConstant(number if reverse else -number), y)
    if reverse:
        return c.each(nn.MulConstant(number), c.each(nn.Power(-1.0), plain, "inverse"))
    return c.each(nn.MulConstant(1 / number), plain)


def _constant(c: Conversion, value: Any) -> Any:
    if isinstance(value, dict):
        inner = value.get("config", value)
        value = inner.get("value") if isinstance(inner, dict) else None
    if isinstance(value, bool) or value is None:
        raise c.refuse(f"a constant {value!r}")
    try:
        array = np.asarray(value, np.float32)
    except (ValueError, TypeError):
        raise c.refuse(f"a constant {str(value)[:60]!r}") from None
    return float(array) if array.ndim == 0 else array


def _axes(c: Conversion, axis: Any, ndim: int) -> tuple[int, ...]:
    axes = [axis] if isinstance(axis, int) else list(axis or [])
    if not axes or not all(isinstance(a, int) and a % ndim for a in axes):
        raise c.refuse(f"axes {axis!r} take in the batch")
    return tuple(sorted({a % ndim for a in axes}))


def _reduce(c: Conversion, kind: str) -> Tensor:
    call = _Call(c, ("x1", "axis", "keepdims"))
    x = call.tensor(c)
    return Tensor(c.apply(getattr(nn, _REDUCE[kind])(_axes(c, call["axis"], x.ndim), bool(call["keepdims"])), x.plain))


def _shape(c: Conversion, kind: str) -> Tensor:
    if kind == "Reshape":
        call = _Call(c, ("x1", "shape"))
        shape = call["shape"]
        if not isinstance(shape, list) or not shape or any(isinstance(n, Tensor) for n in shape):
            raise c.refuse(f"a shape {str(shape)[:60]!r}")
        return Tensor(c.apply(nn.Reshape(tuple(-1 if n is None else int(n) for n in shape[1:])), call.tensor(c).plain))
    if kind == "Transpose":
        call = _Call(c, ("x1", "axes"))
        x = call.tensor(c)
        axes = list(call["axes"]) if call["axes"] is not None else list(range(x.ndim))[::-1]
        if not axes or axes[0] % x.ndim != 0:
            raise c.refuse(f"axes {axes} move the batch")
        return Tensor(c.apply(nn.Permute(tuple(a % x.ndim for a in axes[1:])), x.plain))
    call = _Call(c, ("x1", "axis"))
    x, axis = call.tensor(c), call["axis"]
    axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    if not isinstance(axis, int):
        raise c.refuse(f"axis {axis!r}")
    sizes = list(x.plain.sizes())
    if kind == "ExpandDims":
        axis %= x.ndim + 1
        sizes.insert(axis - 1, 1)
    else:
        axis %= x.ndim
        if axis == 0 or sizes[axis - 1] != 1:
            raise c.fail(f"axis {axis} of {sizes} is not of size 1")
        del sizes[axis - 1]
    if axis == 0:
        raise c.refuse("it changes the batch axis")
    return Tensor(c.apply(nn.Reshape(tuple(sizes)), x.plain))


def _join(c: Conversion, kind: str) -> Tensor:
    call = _Call(c, ("xs", "axis"))
    tensors = [t for t in call["xs"] or [] if isinstance(t, Tensor)]
    axis = call["axis"] if isinstance(call["axis"], int) else -1 if kind == "Concatenate" else 0
    if not tensors or (axis % (tensors[0].ndim + (kind == "Stack"))) == 0:
        raise c.refuse("it joins along the batch")
    layer = nn.Concat(axis % tensors[0].ndim) if kind == "Concatenate" else nn.Stack(axis % (tensors[0].ndim + 1))
    return Tensor(c.apply(layer, *[t.plain for t in tensors]))


def _item(c: Conversion) -> Tensor:
    call = _Call(c, ("x1", "key"))
    x, key = call.tensor(c).plain, call["key"] if call["key"] is not None else call["slice_spec"]
    parts = key if isinstance(key, list) else [key]
    if any(p == "..." or isinstance(p, dict) and p.get("class_name") in ("__ellipsis__", "ellipsis") for p in parts):
        raise c.refuse("an index with '...'")
    gone = []
    for axis, part in enumerate(parts):
        window = _window(part)
        if axis == 0:
            if window != (None, None, None):
                raise c.refuse("it picks samples of the batch")
            continue
        if isinstance(part, int):
            n = x.size(axis)
            index = part % n
            x = c.apply(nn.Split((index, 1, n - index - 1), axis), x, suffix=f"axis{axis}")[1]
            gone.append(axis)
            continue
        if window is None or window[2] not in (None, 1):
            raise c.refuse(f"an index {str(part)[:60]!r}")
        if window[:2] == (None, None):
            continue
        n = x.size(axis)
        start, stop, _ = slice(*window).indices(n)
        x = c.apply(nn.Split((start, max(stop - start, 0), n - max(stop, start)), axis), x, suffix=f"axis{axis}")[1]
    if gone:
        x = c.apply(nn.Reshape(tuple(n for i, n in enumerate(x.sizes(), start=1) if i not in gone)), x)
    return Tensor(x)


def _window(part: Any) -> tuple[Any, Any, Any] | None:
    if isinstance(part, dict):
        inner = part.get("config", part)
        inner = inner if isinstance(inner, dict) else part
        return tuple(inner.get(k) for k in ("start", "stop", "step"))  # type: ignore[return-value]
    return None


def _convert(c: Conversion, kind: str) -> Tensor:
    if kind in _BINARY:
        return _binary(c, kind)
    if kind in _REDUCE:
        return _reduce(c, kind)
    if kind in ("Reshape", "Transpose", "ExpandDims", "Squeeze"):
        return _shape(c, kind)
    if kind in ("Concatenate", "Stack"):
        return _join(c, kind)
    if kind == "GetItem":
        return _item(c)
    if kind == "Matmul":
        call = _Call(c, ("x1", "x2"))
        return Tensor(c.apply(nn.MatMul(), call.tensor(c).plain, call.tensor(c, "x2").plain))
    if kind == "Power":
        call = _Call(c, ("x1", "x2"))
        exponent = _constant(c, call["x2"])
        return c.each(nn.Power(float(exponent)), call.tensor(c))
    x = _Call(c, ("x1",)).tensor(c)
    if kind in _UNARY:
        return c.each(_UNARY[kind](), x)
    if kind == "Softmax" or kind == "LogSoftmax":
        axis = _Call(c, ("x1", "axis"))["axis"]
        if axis not in (None, -1, x.ndim - 1):
            raise c.refuse(f"softmax along axis {axis}")
        return activations.over_channels(c, getattr(nn, kind), x)
    if kind == "Gelu":
        return c.each(nn.GELU("none" if _Call(c, ("x1", "approximate"))["approximate"] is False or c.spec.version[0] < 3 else "tanh"), x)
    return activations.apply(c, _ACTIVATIONS[kind], x)


_KINDS = (*_BINARY, *_REDUCE, "Reshape", "Transpose", "ExpandDims", "Squeeze", "Concatenate", "Stack", "GetItem", "Matmul", "Power",
          *_UNARY, "Softmax", "LogSoftmax", "Gelu", *_ACTIVATIONS)  # fmt: skip


@converts(*(f"ops.{kind}" for kind in dict.fromkeys(_KINDS)), note="operations of keras.ops and operators in functional models")
def operation(c: Conversion) -> Tensor:
    return _convert(c, c.spec.kind.removeprefix("ops."))


def _function(spec: LayerSpec) -> str:
    return str(spec.config.get("function") or "")


@converts("TFOpLambda", "SlicingOpLambda", refuse=lambda spec: None if _function(spec) in _TF else f"function {_function(spec)!r}",
          note="operators and common functions of tf.math and tf.nn")  # fmt: skip
def tf_op(c: Conversion) -> Tensor:
    return _convert(c, _TF[_function(c.spec)])
