"""Recurrent layers. Caffe has time at axis 0 and the batch at axis 1; here the batch comes first, at the net's edges too."""

from __future__ import annotations

from typing import Any

from sparkdl import nn
from sparkdl.errors import FormatError, UnsupportedError
from sparkdl.importers.build import Value
from sparkdl.importers.caffe.convert import Conversion
from sparkdl.importers.caffe.table import converts

_MOST = 512  # steps that are written out


class _Steps:
    """What LSTM and RNN share: ``x`` (batch, time, *), ``cont`` (batch, time), then x_static and, exposed, the states."""

    def __init__(self, c: Conversion, states: int) -> None:
        p = c.layer["recurrent_param"]
        self.c, self.size, self.exposed = c, p["num_output"], p["expose_hidden"]
        held = states if self.exposed else 0
        c.takes(2 + held, 3 + held)
        if self.size < 1:
            raise FormatError(f"layer {c.name!r}: num_output is {self.size}.")
        self.filler, self.bias_filler = p["weight_filler"], p["bias_filler"]
        x, cont = c.inputs[:2]
        self.static = c.inputs[2] if len(c.inputs) == 3 + held else None
        self.steps = x.size(1)
        if not 1 <= self.steps <= _MOST or cont.size(1) != self.steps:
            raise UnsupportedError(f"layer {c.name!r} ({c.type}): {self.steps} steps; 1 to {_MOST}, as many as of cont, are written out.")
        self.x = c.apply(nn.Flatten(2), x, suffix="flat") if x.ndim > 3 else x
        self.conts = self._cut(cont, (1,), "cont")
        self.start = c.inputs[len(c.inputs) - held :] if held else []

    def linear(self, index: int, rows: int, columns: int, bias: int | None = None) -> nn.Layer:
        """``W x + b`` with the blobs of these numbers."""
        c = self.c
        layer = nn.Linear(columns, rows, bias=bias is not None)
        c.set(layer, "weight", index, c.blob(index, (rows, columns), self.filler))
        if bias is not None:
            c.set(layer, "bias", bias, c.blob(bias, (rows,), self.bias_filler))
        return layer

    def entered(self, rows: int) -> tuple[list[Value], int]:
        """What the inputs give to each step, (batch, rows), and the number of the next blob."""
        c = self.c
        z = c.apply(self.linear(0, rows, self.x.size(2), 1), self.x, suffix="input")
        parts, index = self._cut(z, (rows,), "step"), 2
        if self.static is not None:
            flat = self.static if self.static.ndim == 2 else c.apply(nn.Flatten(), self.static, suffix="static/flat")
            always = c.apply(self.linear(2, rows, flat.size(1)), flat, suffix="static")
            parts = [c.apply(nn.Add(), part, always, suffix=f"static{t}") for t, part in enumerate(parts)]
            index = 3
        return parts, index

    def states(self, count: int, like: Value) -> list[Value]:
        if self.start:
            return [self.c.apply(nn.Reshape((self.size,)), s, suffix=f"start{i}") for i, s in enumerate(self.start)]
        zero = self.c.apply(nn.MulConstant(0.0), self.c.apply(nn.Narrow(1, 0, self.size), like, suffix="width"), suffix="zero")
        return [zero] * count

    def _cut(self, x: Value, shape: tuple[int, ...], name: str) -> list[Value]:
        made = self.c.apply(nn.Split((1,) * self.steps, 1), x, suffix=name)
        parts = made if isinstance(made, tuple) else (made,)
        return [self.c.apply(nn.Reshape(shape), part, suffix=f"{name}{t}") for t, part in enumerate(parts)]

    def results(self, outputs: list[Value], states: list[Value]) -> Any:
        y = self.c.apply(nn.Stack(1), *outputs)
        if not self.exposed:
            return y
        return (y, *(self.c.apply(nn.Reshape((1, self.size)), s, suffix=f"final{i}") for i, s in enumerate(states)))


@converts("LSTM", note="(batch, time, *) here; cont, x_static, expose_hidden; up to 512 steps are written out")
def lstm(c: Conversion) -> Any:
    """``i, f, o = sigmoid, g = tanh`` of ``W_xc x + b_c + W_hc (cont h)``; ``c = cont f c + i g``, ``h = o tanh(c)``."""
    s = _Steps(c, 2)
    parts, index = s.entered(4 * s.size)
    inner = s.linear(index, 4 * s.size, s.size)
    h, cell = s.states(2, parts[0])
    outputs = []
    for t, (z, cont) in enumerate(zip(parts, s.conts, strict=True)):
        kept = c.apply(nn.Mul(), cont, h, suffix=f"{t}/kept")
        z = c.apply(nn.Add(), z, c.apply(inner, kept, suffix=f"{t}/recurrent"), suffix=f"{t}/sum")
        gates, g = c.apply(nn.Split((3 * s.size, s.size), 1), z, suffix=f"{t}/gates")
        i, f, o = c.apply(nn.Split((s.size,) * 3, 1), c.apply(nn.Sigmoid(), gates, suffix=f"{t}/sigmoid"), suffix=f"{t}/ifo")
        old = c.apply(nn.Mul(), c.apply(nn.Mul(), cont, f, suffix=f"{t}/forget"), cell, suffix=f"{t}/old")
        new = c.apply(nn.Mul(), i, c.apply(nn.Tanh(), g, suffix=f"{t}/g"), suffix=f"{t}/new")
        cell = c.apply(nn.Add(), old, new, suffix=f"{t}/c")
        h = c.apply(nn.Mul(), o, c.apply(nn.Tanh(), cell, suffix=f"{t}/squashed"), suffix=f"{t}/h")
        outputs.append(h)
    return s.results(outputs, [h, cell])


@converts("LSTMUnit", note="one step inside LSTM: (batch, 1, *) here")
def lstm_unit(c: Conversion) -> Any:
    """The bottoms c, (i, f, o, g) and cont give ``c = cont sigmoid(f) c + sigmoid(i) tanh(g)`` and ``h = sigmoid(o) tanh(c)``."""
    c.takes(3)
    old, z, cont = c.inputs
    size = old.size(old.ndim - 1)
    if old.ndim != 3 or z.ndim != 3 or z.size(2) != 4 * size:
        raise FormatError(f"layer {c.name!r}: its bottoms are (1, batch, n), (1, batch, 4 n) and (1, batch).")
    gates, g = c.apply(nn.Split((3 * size, size), 2), z, suffix="gates")
    i, f, o = c.apply(nn.Split((size,) * 3, 2), c.apply(nn.Sigmoid(), gates, suffix="sigmoid"), suffix="ifo")
    flag = c.apply(nn.Reshape((1, 1)), cont, suffix="cont")
    kept = c.apply(nn.Mul(), c.apply(nn.Mul(), flag, f, suffix="forget"), old, suffix="old")
    cell = c.apply(nn.Add(), kept, c.apply(nn.Mul(), i, c.apply(nn.Tanh(), g, suffix="g"), suffix="new"), suffix="c")
    return cell, c.apply(nn.Mul(), o, c.apply(nn.Tanh(), cell, suffix="squashed"), suffix="h")


@converts("RNN", note="as LSTM")
def rnn(c: Conversion) -> Any:
    """``h = tanh(W_xh x + b_h + W_hh (cont h))``, ``y = tanh(W_ho h + b_o)``."""
    s = _Steps(c, 1)
    parts, index = s.entered(s.size)
    inner, outer = s.linear(index, s.size, s.size), s.linear(index + 1, s.size, s.size, index + 2)
    (h,) = s.states(1, parts[0])
    outputs = []
    for t, (z, cont) in enumerate(zip(parts, s.conts, strict=True)):
        kept = c.apply(nn.Mul(), cont, h, suffix=f"{t}/kept")
        h = c.apply(nn.Tanh(), c.apply(nn.Add(), z, c.apply(inner, kept, suffix=f"{t}/recurrent"), suffix=f"{t}/sum"), suffix=f"{t}/h")
        outputs.append(c.apply(nn.Tanh(), c.apply(outer, h, suffix=f"{t}/out"), suffix=f"{t}/o"))
    return s.results(outputs, [h])
