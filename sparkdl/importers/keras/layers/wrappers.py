"""Layers around layers."""

from __future__ import annotations

from sparkdl import nn
from sparkdl.importers import build
from sparkdl.importers.keras.convert import Conversion
from sparkdl.importers.keras.spec import LayerSpec
from sparkdl.importers.keras.table import converts
from sparkdl.importers.keras.tensor import Tensor

# of these, one call on the whole sequence is the same as one per step
_STEPWISE = {"Dense", "TimeDistributedDense", "Activation", "Dropout", "LeakyReLU", "ELU", "ReLU", "ThresholdedReLU", "Rescaling", "GaussianNoise"}


@converts("TimeDistributed", note="any layer or model inside")
def time_distributed(c: Conversion) -> Tensor:
    inner, x = _inner(c), c.x
    if inner.kind in _STEPWISE and x.ndim > 2:
        made = c.inner(inner, [Tensor(x.plain, mask=x.mask)], "layer")
        return Tensor(made[0].plain, mask=x.mask)
    shape = x.plain.known("the shape of a step")[1:]

    def make() -> nn.Layer:
        step = Tensor(build.new_input(shape, "step"))
        made = c.inner(inner, [step], "layer")
        if len(made) != 1:
            raise c.refuse("a layer of several outputs")
        return nn.TimeDistributed(nn.Graph([step.plain.node], [made[0].plain.node]))

    return Tensor(c.apply(c.once("steps", make), x.plain), mask=x.mask)


def _inner(c: Conversion, key: str = "layer") -> LayerSpec:
    if key not in c.spec.children:
        raise c.fail(f"it holds no {key}")
    return c.spec.children[key]


@converts("SpectralNormalization", variables=("vector_u!",), note="the kernel as it was saved; it is not normalised further in training")
def spectral_normalization(c: Conversion) -> list[Tensor]:
    return c.net.call(_inner(c), c.args, c.kwargs, f"{c.name}/layer")


@converts("Bidirectional", note="LSTM, GRU, SimpleRNN, RNN; all merge modes")
def bidirectional(c: Conversion) -> list[Tensor]:
    forward, backward = _inner(c), _inner(c, "backward_layer")
    if c.spec.in_tensorflow:  # not in Keras up to 2.3
        for each in (forward, backward):
            each.config["zero_output_for_mask"] = bool(each.get("return_sequences", False))
    mode = c.spec.config.get("merge_mode", "concat")
    if mode not in ("concat", "sum", "mul", "ave", None):
        raise c.fail(f"merge_mode is {mode!r}")
    given = c.kwargs.get("initial_state")
    states = [t for t in (given if isinstance(given, list) else [given]) if isinstance(t, Tensor)] or c.inputs[1:]
    half = len(states) // 2
    ahead = c.net.call(forward, [[c.x, *states[:half]]], {}, f"{c.name}/forward")
    back = c.net.call(backward, [[c.x, *states[half:]]], {}, f"{c.name}/backward")
    a, b = ahead[0], back[0]
    if forward.get("return_sequences", False):
        b = Tensor(c.apply(nn.Reverse(1), b.plain, suffix="reverse"))
    mask = a.mask
    final = [*ahead[1:], *back[1:]]
    if mode is None:
        return [Tensor(a.plain, mask=mask), Tensor(b.plain, mask=mask), *final]
    layer = nn.Concat(a.ndim - 1) if mode == "concat" else nn.Mul() if mode == "mul" else nn.Add()
    y = c.apply(layer, a.plain, b.plain, suffix="sum" if mode == "ave" else "")
    if mode == "ave":
        y = c.apply(nn.MulConstant(0.5), y)
    return [Tensor(y, mask=mask), *final]


@converts("Pipeline", note="layers one after another")
def pipeline(c: Conversion) -> list[Tensor]:
    made = c.inputs
    for key, inner in c.spec.children.items():
        made = c.inner(inner, made, key)
    return made
