"""Recurrent layers written out step by step: for activations that the compiled ones lack, and for recurrent dropout."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparkdl import nn
from sparkdl.importers.build import Value
from sparkdl.importers.keras import activations
from sparkdl.importers.keras.convert import Conversion
from sparkdl.importers.keras.layers.core import linear
from sparkdl.importers.keras.tensor import Tensor

MOST = 512  # steps


class Steps:
    """One layer in one direction. ``kernel`` (in, gates * units), ``recurrent`` and biases are in Keras's order of gates."""

    def __init__(self, c: Conversion, kind: str, size: int) -> None:
        self.c, self.kind, self.units = c, kind, c.number("units")
        self.gates = {"LSTM": 4, "GRU": 3, "SimpleRNN": 1}[kind]
        self.size = size
        self.biased = bool(c.spec.get("use_bias", True))
        self.after = kind == "GRU" and bool(c.spec.get("reset_after", False))
        self.dropout = 0.0

    # -- weights -------------------------------------------------------------------------------------------------------
    def _biases(self) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Those of the inputs and of the states."""
        if not self.biased:
            return None, None
        wide = self.gates * self.units
        bias = self.c.weight(2, (2, wide) if self.after else (wide,), 0.0)
        return (bias[0], bias[1]) if self.after else (bias, None)

    def _input(self) -> nn.Layer:
        return linear(self.c, self.c.weight(0, (self.size, self.gates * self.units)), self._biases()[0])

    def _recurrent(self, columns: slice) -> nn.Layer:
        """The part of the recurrent kernel that makes these columns."""
        weight, bias = self.c.weight(1, (self.units, self.gates * self.units)), self._biases()[1]
        return linear(self.c, weight[:, columns], None if bias is None else bias[columns])

    # -- one step ------------------------------------------------------------------------------------------------------
    def apply(self, layer: nn.Layer, *values: Value, at: str) -> Any:
        return self.c.apply(layer, *values, suffix=at)

    def act(self, key: str, x: Value, at: str) -> Value:
        old = "hard_sigmoid" if self.c.spec.version < (2, 3) else "sigmoid"
        default = "tanh" if key == "activation" else old
        return activations.apply(self.c, self.c.spec.config.get(key, default), Tensor(x), at).plain

    def inner(self, h: Value, at: str) -> Value:
        return self.apply(self.c.once("steps/recurrent", lambda: self._recurrent(slice(None))), h, at=f"{at}/recurrent")

    def step(self, z: Value, states: list[Value], kept: Value | None, at: str) -> list[Value]:
        """The new states from what the inputs give to the gates; the first is the output. ``kept`` drops parts of h."""
        h = states[0] if kept is None else self.apply(nn.Mul(), states[0], kept, at=f"{at}/dropped")
        return getattr(self, self.kind.lower())(z, h, states, at)

    def simplernn(self, z: Value, h: Value, states: list[Value], at: str) -> list[Value]:
        return [self.act("activation", self.apply(nn.Add(), z, self.inner(h, at), at=f"{at}/sum"), f"{at}/h")]

    def lstm(self, z: Value, h: Value, states: list[Value], at: str) -> list[Value]:
        z = self.apply(nn.Add(), z, self.inner(h, at), at=f"{at}/sum")
        i, f, g, o = self.apply(nn.Split((self.units,) * 4, 1), z, at=f"{at}/gates")
        new = self.apply(nn.Mul(), self.act("recurrent_activation", i, f"{at}/i"), self.act("activation", g, f"{at}/g"), at=f"{at}/new")
        old = self.apply(nn.Mul(), self.act("recurrent_activation", f, f"{at}/f"), states[1], at=f"{at}/old")
        cell = self.apply(nn.Add(), old, new, at=f"{at}/c")
        out = self.act("recurrent_activation", o, f"{at}/o")
        return [self.apply(nn.Mul(), out, self.act("activation", cell, f"{at}/squashed"), at=f"{at}/h"), cell]

    def gru(self, z: Value, h: Value, states: list[Value], at: str) -> list[Value]:
        n = self.units
        gx, rx, hx = self.apply(nn.Split((n, n, n), 1), z, at=f"{at}/inputs")
        if self.after:
            gh, rh, hh = self.apply(nn.Split((n, n, n), 1), self.inner(h, at), at=f"{at}/states")
        else:
            gates = self.c.once("steps/gates", lambda: self._recurrent(slice(0, 2 * n)))
            gh, rh = self.apply(nn.Split((n, n), 1), self.apply(gates, h, at=f"{at}/recurrent"), at=f"{at}/states")
        update = self.act("recurrent_activation", self.apply(nn.Add(), gx, gh, at=f"{at}/zsum"), f"{at}/z")
        reset = self.act("recurrent_activation", self.apply(nn.Add(), rx, rh, at=f"{at}/rsum"), f"{at}/r")
        if self.after:
            hh = self.apply(nn.Mul(), reset, hh, at=f"{at}/reset")
        else:
            candidate = self.c.once("steps/candidate", lambda: self._recurrent(slice(2 * n, None)))
            hh = self.apply(candidate, self.apply(nn.Mul(), reset, h, at=f"{at}/reset"), at=f"{at}/hrecurrent")
        new = self.act("activation", self.apply(nn.Add(), hx, hh, at=f"{at}/hsum"), f"{at}/new")
        return [self.apply(nn.Add(), *self._mixed(update, states[0], new, at), at=f"{at}/h")]

    def _mixed(self, gate: Value, a: Value, b: Value, at: str) -> tuple[Value, Value]:
        """``gate * a`` and ``(1 - gate) * b``."""
        rest = self.apply(nn.AddConstant(1.0), self.apply(nn.MulConstant(-1.0), gate, at=f"{at}/minus"), at=f"{at}/rest")
        return self.apply(nn.Mul(), gate, a, at=f"{at}/kept"), self.apply(nn.Mul(), rest, b, at=f"{at}/put")

    # -- all steps -----------------------------------------------------------------------------------------------------
    def run(self, x: Tensor, states: list[Value], back: bool, zero_masked: bool) -> tuple[list[Value], list[Value]]:
        """The outputs of all steps, in the order in which they are made, and the final states."""
        count = x.size(1)
        if not 1 <= count <= MOST:
            raise self.c.refuse(f"{count} steps; up to {MOST} are written out, which this activation or recurrent dropout needs")
        gates = self.apply(self.c.once("steps/input", self._input), x.plain, at="input")
        steps = self._cut(gates, count, "steps", (self.gates * self.units,))
        masks = None if x.mask is None else self._cut(x.mask, count, "masks", (1,))
        zero = self.apply(nn.MulConstant(0.0), self._part(steps[0]), at="zero")
        states = [self.apply(nn.Reshape((self.units,)), s, at=f"start{i}") for i, s in enumerate(states)]
        states = states or [zero] * (2 if self.kind == "LSTM" else 1)
        kept = None
        if self.dropout:  # one choice for all steps
            kept = self.apply(nn.Dropout(self.dropout), self.apply(nn.AddConstant(1.0), zero, at="ones"), at="recurrent_dropout")
        outputs: list[Value] = []
        for t in range(count)[::-1] if back else range(count):
            made = self.step(steps[t], states, kept, str(t))
            y = made[0]
            if masks is not None:
                chosen = [self.apply(nn.Add(), *self._mixed(masks[t], new, old, f"{t}/mask{i}"), at=f"{t}/chosen{i}") for i, (new, old) in enumerate(zip(made, states, strict=True))]
                y = self.apply(nn.Mul(), masks[t], made[0], at=f"{t}/shown") if zero_masked else chosen[0]
                made = chosen
            states = made
            outputs.append(y)
        return outputs, states

    def _part(self, z: Value) -> Value:
        return z if self.gates == 1 else self.apply(nn.Narrow(1, 0, self.units), z, at="width")

    def _cut(self, x: Value, count: int, name: str, shape: tuple[int, ...]) -> list[Value]:
        made = self.apply(nn.Split((1,) * count, 1), x, at=name)
        parts = made if isinstance(made, tuple) else (made,)
        return [self.apply(nn.Reshape(shape), part, at=f"{name}{t}") for t, part in enumerate(parts)]


def scan_by_steps(c: Conversion, kind: str, x: Tensor, states: list[Value], options: dict[str, Any], dropout: float) -> tuple[Value, ...]:
    """As a recurrent layer's outputs: the sequence or last step, then the states (batch, 1, units) if wanted."""
    steps = Steps(c, kind, x.size(-1))
    steps.dropout = dropout
    outputs, final = steps.run(x, states, options["go_backwards"], options["zero_output_for_mask"])
    y = c.apply(nn.Stack(1), *outputs) if options["return_sequences"] else outputs[-1]
    return (y, *(final if options["return_state"] else ()))
