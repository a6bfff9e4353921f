"""Recurrent layers."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from sparkdl import nn
from sparkdl.importers.build import Value
from sparkdl.importers.keras import activations
from sparkdl.importers.keras.activations import name_of
from sparkdl.importers.keras.convert import Conversion
from sparkdl.importers.keras.layers.conv import padded, rank_of
from sparkdl.importers.keras.layers.core import with_bias
from sparkdl.importers.keras.layers.old import cudnn_weights
from sparkdl.importers.keras.layers.recurrent_steps import MOST, scan_by_steps
from sparkdl.importers.keras.spec import LayerSpec
from sparkdl.importers.keras.table import converts
from sparkdl.importers.keras.tensor import Tensor
from sparkdl.nn.kernels.recurrent import ACTIVATIONS

CELLS = {"LSTMCell": "LSTM", "GRUCell": "GRU", "SimpleRNNCell": "SimpleRNN"}
_CUDNN = {"CuDNNLSTM": "LSTM", "CuDNNGRU": "GRU"}
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
    if spec.kind in _CUDNN:
        return None
    for key in _DEFAULTS if spec.kind not in ("SimpleRNN", "SimpleRNNCell") else ("activation",):
        if key in spec.config and (why := activations.refuse(spec.config[key])):
            return why
    return None


def _by_steps(c: Conversion, kind: str) -> bool:
    """Whether the compiled layers lack an activation of this one."""
    keys = _DEFAULTS if kind != "SimpleRNN" else ("activation",)
    return c.spec.kind not in _CUDNN and any(activation_of(c.spec, key) not in ACTIVATIONS for key in keys)


def _recurrent_dropout(c: Conversion, x: Tensor) -> float:
    rate = c.spec.get("recurrent_dropout", 0.0)
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < 1:
        return 0.0
    if x.shape is None or x.shape[0] is None or x.shape[0] > MOST:
        warnings.warn(f"layer {c.name!r}: recurrent_dropout is left out; it needs a known number of steps, {MOST} at most.", stacklevel=2)
        return 0.0
    return float(rate)


def scan(c: Conversion, x: Tensor, states: list[Value], **options: Any) -> tuple[Any, ...]:
    """The outputs of a recurrent layer in one direction: the sequence or last step, then the states if wanted."""
    kind = {**CELLS, **_CUDNN}.get(c.spec.kind, c.spec.kind)
    if x.mask is not None and x.mask.ndim != 2:
        raise c.refuse("a mask of places within a step")
    units, size = c.number("units"), x.size(-1)
    rate = _recurrent_dropout(c, x)
    if rate or _by_steps(c, kind):
        return scan_by_steps(c, kind, x, states, options, rate)
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
    if c.spec.kind in _CUDNN:
        return getattr(nn, kind)(size, units, **options)
    activation = activation_of(c.spec, "activation")
    if kind == "SimpleRNN":
        return nn.RNN(size, units, nonlinearity=activation, **options)
    more = {"activation": activation, "recurrent_activation": activation_of(c.spec, "recurrent_activation")}
    if kind == "LSTM":
        return nn.LSTM(size, units, **more, **options)
    return nn.GRU(size, units, reset_after=bool(c.spec.get("reset_after", False)), **more, **options)


def _load(c: Conversion, layer: Any, kind: str, units: int, size: int) -> None:
    gates = GATES[kind]
    if c.spec.kind in _CUDNN and c.weights is not None and "plain" not in c.spec.made:
        shapes = ((size, gates * units), (units, gates * units), (2 * gates * units,))
        c.spec.made["arrays"] = cudnn_weights(kind, units, [c.weight(i, shape) for i, shape in enumerate(shapes)])
        c.spec.made["plain"] = True
    kernel, recurrent = c.weight(0, (size, gates * units)), c.weight(1, (units, gates * units))
    twice = kind == "GRU" and (bool(c.spec.get("reset_after", False)) or c.spec.kind in _CUDNN)
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
          note="masks, initial and returned states, go_backwards, dropout and recurrent dropout")  # fmt: skip
def recurrent(c: Conversion) -> list[Tensor]:
    if c.spec.get("time_major", False):
        raise c.refuse("time_major puts time before the batch")
    carried = 2 if c.spec.kind.endswith("LSTM") else 1
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


# -- cells and convolutions over time ----------------------------------------------------------------------------------
@converts(*CELLS, variables=_variables, refuse=refuse, note="inside RNN and StackedRNNCells")
def cell(c: Conversion) -> Tensor:
    raise c.refuse("a cell stands inside RNN")


@converts("StackedRNNCells", note="inside RNN")
def stacked(c: Conversion) -> Tensor:
    raise c.refuse("cells stand inside RNN")


def _cells(spec: LayerSpec) -> list[LayerSpec]:
    inner = spec.children.get("cell")
    if inner is None:
        return [each for key, each in spec.children.items() if key.startswith("cell")]
    return _cells(inner) if inner.kind == "StackedRNNCells" else [inner]


def _last_first(spec: LayerSpec) -> bool:
    """Whether the states of the last cell come first, as they did until Keras 2.2.2."""
    inner = spec.children.get("cell")
    given = inner.config.get("reverse_state_order") if inner is not None else None
    return bool(given) if given is not None or spec.in_tensorflow else spec.version < (2, 2, 3)


def _refuse_cells(spec: LayerSpec) -> str | None:
    cells = _cells(spec)
    if not cells or any(each.kind not in CELLS for each in cells):
        return f"cells {[each.kind for each in cells]}; LSTMCell, GRUCell and SimpleRNNCell are known"
    return "initial states of stacked cells" if len(cells) > 1 and spec.get("stateful", False) else None


@converts("RNN", refuse=_refuse_cells, note="of LSTMCell, GRUCell, SimpleRNNCell, also stacked")
def rnn(c: Conversion) -> list[Tensor]:
    cells, x = _cells(c.spec), c.x
    sequences, returns_state = bool(c.spec.get("return_sequences", False)), bool(c.spec.get("return_state", False))
    back, y = bool(c.spec.get("go_backwards", False)), x
    finals: list[Tensor] = []
    for i, spec in enumerate(cells):
        inner = Conversion(spec, [y], {}, f"{c.name}/{spec.name}{i}", c.net)
        last = i == len(cells) - 1
        states = initial_states(c, 2 if spec.kind == "LSTMCell" else 1) if len(cells) == 1 else []
        made = scan(
            inner, dropped(inner, y), states, return_sequences=sequences or not last, return_state=returns_state,
            go_backwards=back and i == 0, zero_output_for_mask=bool(c.spec.get("zero_output_for_mask", False)),
        )  # fmt: skip
        units = inner.number("units")
        ends = [Tensor(inner.apply(nn.Reshape((units,)), s, suffix=f"final{k}")) for k, s in enumerate(made[1:])]
        finals = ends + finals if _last_first(c.spec) else finals + ends
        mask = x.mask
        if back and i == 0 and mask is not None and not last:
            mask = c.apply(nn.Reverse(1), mask, suffix="mask")
        y = Tensor(made[0], mask=mask)
    return [Tensor(y.plain, mask=x.mask if sequences else None), *finals]


def _conv_refuse(spec: LayerSpec) -> str | None:
    return activations.refuse(spec.config.get("activation")) or activations.refuse(spec.config.get("recurrent_activation"))


def _conv_variables(spec: LayerSpec) -> list[str]:
    if spec.version[0] == 1:
        return [f"{name}_{gate}" for gate in "icfo" for name in "WUb"]
    return with_bias("kernel", "recurrent_kernel")(spec)


@converts("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", variables=_conv_variables, refuse=_conv_refuse,
          note="a known number of steps; masks; written out step by step")  # fmt: skip
def conv_lstm(c: Conversion) -> list[Tensor]:
    rank, filters, x = rank_of(c.spec), c.number("filters"), c.x
    kernel, stride, dilation = c.sizes("kernel_size", rank), c.sizes("strides", rank, 1), c.sizes("dilation_rate", rank, 1)
    steps, first = x.size(1), c.spec.channels_first
    size = x.size(2 if first else -1)
    if not 1 <= steps <= 512:
        raise c.refuse(f"{steps} steps; up to 512 are written out")
    order = None if first else (1, rank + 2, *range(2, rank + 2))
    value = x.plain if order is None else c.apply(nn.Permute(order), x.plain, suffix="turn")
    slices = c.apply(nn.Split((1,) * steps, 1), value, suffix="steps")
    slices = slices if isinstance(slices, tuple) else (slices,)
    slices = [c.apply(nn.Reshape(s.sizes()[1:]), s, suffix=f"step{i}") for i, s in enumerate(slices)]
    if c.spec.get("go_backwards", False):
        slices = slices[::-1]
    keeps = _step_masks(c, x, rank, steps)
    entered = [_padded_step(c, s, kernel, stride, dilation, i) for i, s in enumerate(slices)]
    padding = entered[0][1]

    def make(index: int, channels_: int, pad: Any, steps_: Any, apart: Any, biased: bool) -> nn.Layer:
        weight = c.weight(index, (*kernel, channels_, 4 * filters))
        layer = getattr(nn, f"Conv{rank}d")(channels_, 4 * filters, kernel, stride=steps_, padding=pad, dilation=apart, bias=biased)
        layer.weight.value = weight.transpose(rank + 1, rank, *range(rank))
        if biased:
            layer.bias.value = c.weight(2, (4 * filters,), 0.0)
        return layer

    outer = c.once("input", lambda: make(0, size, padding, stride, dilation, bool(c.spec.get("use_bias", True))))
    ones = (1,) * rank
    inner = c.once("recurrent", lambda: make(1, filters, 0, ones, ones, False))
    gate = c.spec.config.get("recurrent_activation", "hard_sigmoid")

    def act(value: Any, x_: Value, suffix: str) -> Value:
        return activations.apply(c, value, Tensor(x_), suffix).plain

    h: Value | None = None
    state: Value | None = None
    outputs: list[Value] = []
    for t, (each, _) in enumerate(entered):
        z = c.apply(outer, each, suffix=f"{t}/input")
        if h is not None:
            around = c.apply(nn.SamePad(kernel, ones), h, suffix=f"{t}/pad")
            z = c.apply(nn.Add(), z, c.apply(inner, around, suffix=f"{t}/recurrent"), suffix=f"{t}/sum")
        i, f, g, o = c.apply(nn.Split((filters,) * 4, 1), z, suffix=f"{t}/gates")
        new = c.apply(nn.Mul(), act(gate, i, f"{t}/i"), act(c.spec.config.get("activation", "tanh"), g, f"{t}/g"), suffix=f"{t}/new")
        if state is not None:
            new = c.apply(nn.Add(), c.apply(nn.Mul(), act(gate, f, f"{t}/f"), state, suffix=f"{t}/old"), new, suffix=f"{t}/c")
        out = c.apply(nn.Mul(), act(gate, o, f"{t}/o"), act(c.spec.config.get("activation", "tanh"), new, f"{t}/tanh"), suffix=f"{t}/h")
        if not keeps:
            h, state = out, new
        elif h is None or state is None:
            h, state = (c.apply(nn.Mul(), v, keeps[t], suffix=f"{t}/kept {k}") for k, v in (("h", out), ("c", new)))
        else:
            h = c.apply(nn.Where(), keeps[t], out, h, suffix=f"{t}/kept h")
            state = c.apply(nn.Where(), keeps[t], new, state, suffix=f"{t}/kept c")
        zeros = keeps and c.spec.get("zero_output_for_mask", False)
        outputs.append(c.apply(nn.Mul(), h, keeps[t], suffix=f"{t}/zeros") if zeros else h)
    assert h is not None and state is not None
    finals = [Tensor(h), Tensor(state)] if first else [Tensor(moved=h), Tensor(moved=state)]
    if not c.spec.get("return_sequences", False):
        y = finals[0]
    else:
        stacked_ = c.apply(nn.Stack(1), *outputs)
        y = Tensor(stacked_ if first else c.apply(nn.Permute((1, *range(3, rank + 3), 2)), stacked_, suffix="back"), mask=x.mask)
    return [y, *finals] if c.spec.get("return_state", False) else [y]


def _step_masks(c: Conversion, x: Tensor, rank: int, steps: int) -> list[Value]:
    """What to keep at each step, in the order of the steps, beside (batch, channels, *places): of steps or of places."""
    if x.mask is None:
        return []
    parts = c.apply(nn.Split((1,) * steps, 1), x.mask, suffix="masks")
    parts = parts if isinstance(parts, tuple) else (parts,)
    places = x.mask.sizes()[1:]
    made = [c.apply(nn.Reshape((1, *(places or (1,) * rank))), part, suffix=f"mask{i}") for i, part in enumerate(parts)]
    return made[::-1] if c.spec.get("go_backwards", False) else made


def _padded_step(c: Conversion, x: Value, kernel: Any, stride: Any, dilation: Any, step: int) -> tuple[Value, Any]:
    name = c.name
    c.name = f"{name}/{step}"
    try:
        return padded(c, x, kernel, stride, dilation)
    finally:
        c.name = name
