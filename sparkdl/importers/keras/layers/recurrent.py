"""Recurrent layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparkdl import nn
from sparkdl.importers.build import Value
from sparkdl.importers.keras.activations import name_of
from sparkdl.importers.keras.convert import Conversion
from sparkdl.importers.keras.spec import LayerSpec
from sparkdl.importers.keras.table import converts
from sparkdl.importers.keras.tensor import Tensor
from sparkdl.nn.kernels.recurrent import ACTIVATIONS

CELLS = {"LSTMCell": "LSTM", "GRUCell": "GRU", "SimpleRNNCell": "SimpleRNN"}
GATES = {"LSTM": 4, "GRU": 3, "SimpleRNN": 1}
_DEFAULTS = {"activation": "tanh", "recurrent_activation": "sigmoid"}


def _variables(spec: LayerSpec) -> list[str]:
    if spec.version[0] == 1 and spec.kind in ("LSTM", "GRU") and spec.get("consume_less", "cpu") != "gpu":
        gates = {"LSTM": "icfo", "GRU": "zrh"}[spec.kind]
        return [f"{name}_{gate}" for gate in gates for name in "WUb"]
    return ["kernel", "recurrent_kernel", *(["bias"] if spec.get("use_bias", True) else [])]


def activation_of(spec: LayerSpec, key: str) -> str:
    """The name that the layers here have for an activation of this Keras version."""
    default = _DEFAULTS[key]
    if key == "recurrent_activation" and spec.version < (2, 3):
        default = "hard_sigmoid"
    name = name_of(spec.config[key]) if spec.config.get(key) is not None else "linear" if key in spec.config else default
    if name == "hard_sigmoid" and spec.version[0] >= 3:
        return "hardsigmoid"
    return str(name)


def refuse(spec: LayerSpec) -> str | None:
    for key in _DEFAULTS if spec.kind not in ("SimpleRNN", "SimpleRNNCell") else ("activation",):
        if activation_of(spec, key) not in ACTIVATIONS:
            return f"{key} {activation_of(spec, key)!r}; recurrent layers have {', '.join(ACTIVATIONS)}"
    return None


def scan(c: Conversion, x: Tensor, states: list[Value], **options: Any) -> tuple[Any, ...]:
    """The outputs of a recurrent layer in one direction: the sequence or last step, then the states if wanted."""
    kind = CELLS.get(c.spec.kind, c.spec.kind)
    units, size = c.number("units"), x.size(-1)
    key = f"scan{sorted(options.items())}{x.mask is not None}"

    def make() -> nn.Layer:
        first = next((made for made in c.spec.made.values() if isinstance(made, nn.Layer)), None)
        layer = _new(c, kind, units, size, options)
        if first is not None:  # another call of the layer, with other options: one set of weights
            for name in list(first._parameters):
                setattr(layer, name, getattr(first, name))
            return layer
        _load(c, layer, kind, units, size)
        return layer

    made = c.apply(c.once(key, make), x.plain, *([x.mask] if x.mask is not None else []), *states)
    return made if isinstance(made, tuple) else (made,)


def _new(c: Conversion, kind: str, units: int, size: int, options: dict[str, Any]) -> nn.Layer:
    activation = activation_of(c.spec, "activation")
    if kind == "SimpleRNN":
        return nn.RNN(size, units, nonlinearity=activation, **options)
    more = {"activation": activation, "recurrent_activation": activation_of(c.spec, "recurrent_activation")}
    if kind == "LSTM":
        return nn.LSTM(size, units, **more, **options)
    return nn.GRU(size, units, reset_after=bool(c.spec.get("reset_after", False)), **more, **options)


def _load(c: Conversion, layer: Any, kind: str, units: int, size: int) -> None:
    gates = GATES[kind]
    kernel, recurrent = c.weight(0, (size, gates * units)), c.weight(1, (units, gates * units))
    twice = kind == "GRU" and bool(c.spec.get("reset_after", False))
    bias = c.weight(2, (2, gates * units) if twice else (gates * units,), 0.0) if c.spec.get("use_bias", True) else None
    order = _gate_order(kind, units)
    layer.weight_ih_l0.value = kernel.T[order]
    layer.weight_hh_l0.value = recurrent.T[order]
    zero = np.zeros(gates * units, np.float32)
    first, second = (bias if twice else (bias, zero)) if bias is not None else (zero, zero)
    layer.bias_ih_l0.value, layer.bias_hh_l0.value = first[order], second[order]
    layer.bias_ih_l0.trainable, layer.bias_hh_l0.trainable = bias is not None, bool(twice and bias is not None)


def _gate_order(kind: str, units: int) -> np.ndarray:
    """Rows of the weights here, as columns of Keras's: its GRU has z before r."""
    blocks = np.arange(GATES[kind] * units).reshape(GATES[kind], units)
    return (blocks[[1, 0, 2]] if kind == "GRU" else blocks).reshape(-1)


def initial_states(c: Conversion, count: int) -> list[Value]:
    """States handed over in the call, as (batch, 1, units)."""
    given = c.kwargs.get("initial_state")
    tensors = [t for t in (given if isinstance(given, list) else [given]) if isinstance(t, Tensor)]
    tensors = tensors or c.inputs[1 : 1 + count]
    if not tensors and len(c.args) > 1:
        tensors = [t for a in c.args[1:] for t in (a if isinstance(a, list) else [a]) if isinstance(t, Tensor)]
    if tensors and len(tensors) != count:
        raise c.fail(f"{len(tensors)} initial states; {count} are wanted")
    return [c.apply(nn.Reshape((1, t.size(-1))), t.plain, suffix=f"state{i}") for i, t in enumerate(tensors)]


@converts("LSTM", "GRU", "SimpleRNN", "CuDNNLSTM", "CuDNNGRU", variables=_variables, refuse=refuse,
          note="masks, initial and returned states, go_backwards; recurrent dropout is not carried over")  # fmt: skip
def recurrent(c: Conversion) -> list[Tensor]:
    if c.spec.get("time_major", False):
        raise c.refuse("time_major puts time before the batch")
    carried = 2 if c.spec.kind == "LSTM" else 1
    sequences, returns_state = bool(c.spec.get("return_sequences", False)), bool(c.spec.get("return_state", False))
    x = c.x
    made = scan(
        c, dropped(c, x), initial_states(c, carried), return_sequences=sequences, return_state=returns_state,
        go_backwards=bool(c.spec.get("go_backwards", False)), zero_output_for_mask=bool(c.spec.get("zero_output_for_mask", False)),
    )  # fmt: skip
    outputs = [Tensor(made[0], mask=x.mask if sequences else None)]
    units = c.number("units")
    for i, state in enumerate(made[1:]):
        outputs.append(Tensor(c.apply(nn.Reshape((units,)), state, suffix=f"final{i}")))
    return outputs


def dropped(c: Conversion, x: Tensor) -> Tensor:
    """Dropout of the inputs, the same at all steps, as ``dropout`` asks for while training."""
    rate = c.spec.get("dropout", 0.0)
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < 1:
        return x
    return Tensor(moved=c.apply(nn.Dropout1d(float(rate)), x.moved, suffix="dropout"), mask=x.mask)
