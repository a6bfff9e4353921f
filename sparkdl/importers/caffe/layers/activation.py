"""Functions of single values."""

from __future__ import annotations

from math import log
from typing import Any

from sparkdl import nn
from sparkdl.errors import FormatError
from sparkdl.importers.build import Value
from sparkdl.importers.caffe.convert import Conversion
from sparkdl.importers.caffe.message import Message
from sparkdl.importers.caffe.table import converts

_SIMPLE = {
    "Sigmoid": "Sigmoid", "TanH": "Tanh", "AbsVal": "Abs", "BNLL": "Softplus", "ReLU6": "ReLU6", "Mish": "Mish",
    "HardSwish": "Hardswish", "HSwish": "Hardswish", "HardSigmoid": "Hardsigmoid", "HSigmoid": "Hardsigmoid",
}  # fmt: skip


@converts(*_SIMPLE, note="ReLU6, Mish and the hard forms come from forks")
def simple(c: Conversion) -> Value:
    return c.apply(getattr(nn, _SIMPLE[c.type])(), c.x)


@converts("ReLU", note="negative_slope")
def relu(c: Conversion) -> Value:
    slope = c.layer["relu_param"]["negative_slope"]
    return c.apply(nn.LeakyReLU(slope) if slope else nn.ReLU(), c.x)


@converts("PReLU", note="one slope per channel, or one for all")
def prelu(c: Conversion) -> Value:
    p, x = c.layer["prelu_param"], c.x
    channels = 1 if p["channel_shared"] else x.size(1)
    filler = p["filler"] if "filler" in p else Message("FillerParameter", type="constant", value=0.25)
    slopes = c.blob(0, () if p["channel_shared"] else (channels,), filler)
    layer = nn.PReLU(channels)
    c.set(layer, "weight", 0, slopes.reshape(channels))
    return c.apply(layer, x)


@converts("ELU")
def elu(c: Conversion) -> Value:
    return c.apply(nn.ELU(c.layer["elu_param"]["alpha"]), c.x)


@converts("CReLU", note="fork: relu(x) beside relu(-x)")
def crelu(c: Conversion) -> Value:
    plus = c.apply(nn.ReLU(), c.x, suffix="plus")
    minus = c.apply(nn.ReLU(), c.apply(nn.MulConstant(-1.0), c.x, suffix="negative"), suffix="minus")
    return c.apply(nn.Concat(1), plus, minus)


@converts("Power", note="(shift + scale * x) ** power")
def power(c: Conversion) -> Value:
    p, x = c.layer["power_param"], c.x
    if p["power"] == 1:
        return _affine(c, x, p["scale"], p["shift"])
    return c.apply(nn.Power(p["power"], p["scale"], p["shift"]), x)


@converts("Exp", note="base, scale, shift")
def exp(c: Conversion) -> Value:
    p = c.layer["exp_param"]
    factor = _log_base(c, p["base"])
    x = _affine(c, c.x, p["scale"] * factor, p["shift"] * factor, "affine")
    return c.apply(nn.Exp(), x)


@converts("Log", note="base, scale, shift")
def log_(c: Conversion) -> Value:
    p = c.layer["log_param"]
    x = c.apply(nn.Log(), _affine(c, c.x, p["scale"], p["shift"], "affine"))
    if p["base"] == 1:
        raise FormatError(f"layer {c.name!r}: there is no logarithm to the base 1.")
    factor = 1 / _log_base(c, p["base"])
    return x if factor == 1 else c.apply(nn.MulConstant(factor), x, suffix="base")


def _log_base(c: Conversion, base: float) -> float:
    if base != -1 and not base > 0:
        raise FormatError(f"layer {c.name!r}: base {base} is not positive.")
    return 1.0 if base == -1 else log(base)


def _affine(c: Conversion, x: Value, scale: float, shift: float, suffix: str = "") -> Value:
    if scale != 1 or shift == 0:
        x = c.apply(nn.MulConstant(scale), x, suffix=f"{suffix}/scale" if shift else suffix)
    return c.apply(nn.AddConstant(shift), x, suffix=suffix) if shift else x


@converts("Threshold")
def threshold(c: Conversion) -> Value:
    return c.apply(nn.BinaryThreshold(c.layer["threshold_param"]["threshold"]), c.x)


@converts("Clip")
def clip(c: Conversion) -> Value:
    p = c.layer["clip_param"]
    if p["min"] is None or p["max"] is None or not p["min"] <= p["max"]:
        raise FormatError(f"layer {c.name!r}: clips to {p['min']} .. {p['max']}.")
    return c.apply(nn.Clamp(p["min"], p["max"]), c.x)


@converts("Swish", note="x * sigmoid(beta * x)")
def swish(c: Conversion) -> Value:
    beta = c.layer["swish_param"]["beta"]
    if beta == 1:
        return c.apply(nn.SiLU(), c.x)
    gate = c.apply(nn.Sigmoid(), c.apply(nn.MulConstant(beta), c.x, suffix="beta"), suffix="gate")
    return c.apply(nn.Mul(), c.x, gate)


@converts("Softmax", refuse=lambda layer: "axis 0 is the batch here" if layer["softmax_param"]["axis"] == 0 else None)
def softmax(c: Conversion) -> Any:
    x = c.x
    return c.apply(nn.Softmax(c.axis(c.layer["softmax_param"]["axis"], x.ndim)), x)
