"""``save_keras``."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sparkdl.errors import UnsupportedError
from sparkdl.importers.export import Shape, Use, check_known, list_uses
from sparkdl.importers.keras.store import snake
from sparkdl.nn.layers.same_pad import same_pads
from sparkdl.nn.module import Module

_VERSION = "3.8.0"  # the oldest Keras whose layers are written


def save_keras(model: Module, path: str | Path, input_shapes: Sequence[Sequence[int]] | None = None) -> None:
    """Writes ``model`` as a Keras 3 file (``.keras``) of a functional model; needs h5py.

    The file takes and gives arrays in the layout of ``model``; inside, convolutions are channels-last. ``input_shapes``
    (without the batch axis) are needed where the graph does not know them. All layers that Keras, or this exporter,
    cannot write are listed in one error before the file is made.
    """
    try:
        import h5py
    except ImportError as error:
        raise ImportError("save_keras writes HDF5, which needs h5py: pip install h5py.") from error
    listing = list_uses(model, input_shapes)
    check_known(listing, WRITERS, "Keras")
    w = _Writer()
    values = {}
    for i, (name, shape) in enumerate(listing.inputs):
        values[i] = _Value(w, plain=w.input(name, shape))
    input_names = list(w.names)
    for use in listing.uses:
        made = WRITERS[type(use.layer).__name__](w.at(use), use, [values[i] for i in use.inputs])
        values.update(zip(use.outputs, made if isinstance(made, list) else [made], strict=True))
    outputs = [values[n].plain for n in listing.outputs]
    w.sort([name for name, _ in outputs])
    config = {
        "module": "keras.src.models.functional", "class_name": "Functional", "registered_name": "Functional",
        "config": {
            "name": "model", "trainable": True, "layers": w.layers,
            "input_layers": [[name, 0, 0] for name in input_names],
            "output_layers": [[name, 0, 0] for name, _ in outputs],
        },
    }  # fmt: skip
    if len(outputs) == 1:
        config["config"]["output_layers"] = config["config"]["output_layers"][0]  # type: ignore[index]
    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        counts: dict[str, int] = {}
        for layer, arrays in zip(w.layers, w.arrays, strict=True):
            base = snake(layer["class_name"])
            n = counts.get(base, 0)
            counts[base] = n + 1
            group = file.create_group(f"layers/{f'{base}_{n}' if n else base}")
            _store(group, arrays)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": _VERSION, "date_saved": "1980-01-01@00:00:00"}))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", weights.getvalue())


def _store(group: Any, arrays: Any) -> None:
    if isinstance(arrays, dict):  # a cell inside
        group.create_group("vars")
        for key, inner in arrays.items():
            _store(group.create_group(key), inner)
        return
    held = group.create_group("vars")
    for i, array in enumerate(arrays):
        held.create_dataset(str(i), data=np.ascontiguousarray(array, np.float32).reshape(np.shape(array)))


class _Value:
    """A tensor by layer name, in the model's own layout and with channels last; each is made when it is asked for."""

    def __init__(self, w: _Writer, plain: tuple[str, Shape] | None = None, last: tuple[str, Shape] | None = None) -> None:
        self._w, self._plain, self._last = w, plain, last

    @property
    def rank(self) -> int:
        return len((self._plain or self._last)[1])  # type: ignore[index]

    @property
    def plain(self) -> tuple[str, Shape]:
        if self._plain is None:
            name, shape = self._last  # type: ignore[misc]
            dims = (len(shape), *range(1, len(shape)))
            self._plain = self._w.add("Permute", [(name, shape)], (shape[-1], *shape[:-1]), {"dims": list(dims)})
        return self._plain

    @property
    def last(self) -> tuple[str, Shape]:
        if self._last is None:
            name, shape = self._plain  # type: ignore[misc]
            if len(shape) < 2:
                return self._plain  # type: ignore[return-value]
            dims = (*range(2, len(shape) + 1), 1)
            self._last = self._w.add("Permute", [(name, shape)], (*shape[1:], shape[0]), {"dims": list(dims)})
        return self._last

    @property
    def is_last(self) -> bool:
        return self._last is not None


class _Writer:
    def __init__(self) -> None:
        self.layers: list[dict[str, Any]] = []
        self.arrays: list[Any] = []
        self.names: list[str] = []
        self.base = ""

    def at(self, use: Use) -> _Writer:
        self.base = use.name
        return self

    def _name(self, base: str) -> str:
        base = "".join(ch if ch.isalnum() or ch in "_-" else "_" for ch in base) or "layer"
        made, i = base, 1
        while made in self.names:
            i += 1
            made = f"{base}_{i}"
        self.names.append(made)
        return made

    def input(self, name: str, shape: Shape) -> tuple[str, Shape]:
        made = self._name(name)
        self._layer("InputLayer", made, {"batch_shape": [None, *shape], "dtype": "float32", "sparse": False}, [], [])
        return made, shape

    def _layer(self, kind: str, name: str, config: dict[str, Any], nodes: list[Any], arrays: Any) -> None:
        config = {"name": name, **({"trainable": True, "dtype": "float32"} if kind != "InputLayer" else {}), **config}
        self.layers.append(
            {"module": "keras.layers", "class_name": kind, "config": config, "registered_name": None, "name": name, "inbound_nodes": nodes}
        )
        self.arrays.append(arrays)

    def add(
        self, kind: str, inputs: Sequence[tuple[str, Shape]], shape: Shape, config: dict[str, Any], arrays: Any = (), base: str = ""
    ) -> tuple[str, Shape]:
        """Adds a layer; the name and shape of its output."""
        name = self._name(base or self.base)
        tensors = [
            {"class_name": "__keras_tensor__", "config": {"shape": [None, *s], "dtype": "float32", "keras_history": [n, 0, 0]}}
            for n, s in inputs
        ]
        several = kind in ("Add", "Subtract", "Multiply", "Maximum", "Minimum", "Concatenate")
        self._layer(kind, name, config, [{"args": [tensors] if several else tensors, "kwargs": {}}], arrays)
        return name, tuple(int(n) for n in shape)


    def sort(self, outputs: Sequence[str]) -> None:
        """Puts the layers in Keras's own order, by which it finds their weights: falling distance from the outputs, then
        the order in which a walk from the outputs meets them. Layers that lead to no output go."""
        reads = {
            layer["name"]: [t["config"]["keras_history"][0] for node in layer["inbound_nodes"] for t in _tensors(node["args"])]
            for layer in self.layers
        }
        met: dict[str, int] = {}
        stack = list(reversed(outputs))
        while stack:
            name = stack.pop()
            if name not in met:
                met[name] = len(met)
                stack.extend(reversed(reads[name]))
        depth = dict.fromkeys(met, 0)
        for layer in reversed(self.layers):  # each comes after those it reads
            for name in reads[layer["name"]] if layer["name"] in depth else ():
                depth[name] = max(depth[name], depth[layer["name"]] + 1)
        kept = [i for i, layer in enumerate(self.layers) if layer["name"] in met]
        kept.sort(key=lambda i: (-depth[self.layers[i]["name"]], met[self.layers[i]["name"]]))
        self.layers, self.arrays = [self.layers[i] for i in kept], [self.arrays[i] for i in kept]


def _tensors(args: Any) -> list[dict[str, Any]]:
    return [t for a in args for t in (a if isinstance(a, list) else [a])]


Writer = Callable[[_Writer, Use, list[_Value]], Any]
WRITERS: dict[str, Writer] = {}


def _writes(*kinds: str) -> Callable[[Writer], Writer]:
    def register(function: Writer) -> Writer:
        WRITERS.update({kind: function for kind in kinds})
        return function

    return register


def _turned(shape: Shape) -> Shape:
    """A shape with its channels last."""
    return (*shape[1:], shape[0]) if len(shape) > 1 else shape


def _same(w: _Writer, use: Use, x: _Value, kind: str, config: dict[str, Any], arrays: Any = ()) -> _Value:
    """A layer to which the order of axes is all one."""
    if x.is_last:
        return _Value(w, last=w.add(kind, [x.last], _turned(use.made[0]), config, arrays))
    return _Value(w, plain=w.add(kind, [x.plain], use.made[0], config, arrays))


_ACTIVATIONS = {
    "ReLU": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh", "Softplus": "softplus", "Softsign": "softsign", "SELU": "selu",
    "SiLU": "silu", "Mish": "mish", "Exp": "exponential", "ReLU6": "relu6", "Hardswish": "hard_silu", "LogSigmoid": "log_sigmoid",
}  # fmt: skip


@_writes(*_ACTIVATIONS)
def _activation(w, use, x):
    return _same(w, use, x[0], "Activation", {"activation": _ACTIVATIONS[type(use.layer).__name__]})


@_writes("GELU")
def _gelu(w, use, x):
    if use.layer.approximate == "tanh":
        raise UnsupportedError(f"{use.name!r}: Keras's activation gelu is the exact one.")
    return _same(w, use, x[0], "Activation", {"activation": "gelu"})


@_writes("Hardsigmoid")
def _hard_sigmoid(w, use, x):
    p = use.layer
    if abs(p.steepness - 1 / 6) > 1e-9 or p.offset != 0.5:
        y = _same(w, use, x[0], "Rescaling", {"scale": 6 * float(p.steepness), "offset": 6 * (float(p.offset) - 0.5)})
        return _same(w, use, y, "Activation", {"activation": "hard_sigmoid"})
    return _same(w, use, x[0], "Activation", {"activation": "hard_sigmoid"})


@_writes("LeakyReLU")
def _leaky(w, use, x):
    return _same(w, use, x[0], "LeakyReLU", {"negative_slope": float(use.layer.negative_slope)})


@_writes("ELU")
def _elu(w, use, x):
    return _same(w, use, x[0], "ELU", {"alpha": float(use.layer.alpha)})


@_writes("Identity", "ActivityRegularization", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "GaussianNoise")
def _dropout(w, use, x):
    if type(use.layer).__name__ == "Dropout":
        return _same(w, use, x[0], "Dropout", {"rate": float(use.layer.p)})
    return x[0]


@_writes("AddConstant", "MulConstant")
def _constant(w, use, x):
    if np.ndim(use.layer.constant):
        raise UnsupportedError(f"{use.name!r}: arrays of constants are not written; use nn.ScaleShift.")
    add = type(use.layer).__name__ == "AddConstant"
    value = float(use.layer.constant)
    return _same(w, use, x[0], "Rescaling", {"scale": 1.0 if add else value, "offset": value if add else 0.0})


@_writes("Hardtanh", "Clamp")
def _clamp(w, use, x):
    p = use.layer
    if p.min_val != 0:
        raise UnsupportedError(f"{use.name!r}: Keras has a layer for clipping between 0 and a number only.")
    return _same(w, use, x[0], "ReLU", {"max_value": float(p.max_val), "negative_slope": 0.0, "threshold": 0.0})


@_writes("Threshold")
def _threshold(w, use, x):
    p = use.layer
    if p.fill != 0 or p.threshold < 0:
        raise UnsupportedError(f"{use.name!r}: Keras fills with 0, below a threshold of at least 0.")
    return _same(w, use, x[0], "ReLU", {"max_value": None, "negative_slope": 0.0, "threshold": float(p.threshold)})


@_writes("PReLU", "SlopeBelowZero")
def _prelu(w, use, x):
    slopes, rank = use.layer.weight.value, len(use.shape)
    if type(use.layer).__name__ == "SlopeBelowZero":
        shared = [i + 1 for i, n in enumerate(slopes.shape) if n == 1 and use.shape[i] != 1]
        return _Value(w, plain=w.add("PReLU", [x[0].plain], use.made[0], {"shared_axes": shared}, [slopes]))
    channels = np.broadcast_to(slopes, use.shape[:1])
    if rank == 1:
        return _Value(w, plain=w.add("PReLU", [x[0].plain], use.made[0], {"shared_axes": []}, [channels]))
    config = {"shared_axes": list(range(1, rank))}
    return _Value(w, last=w.add("PReLU", [x[0].last], _turned(use.made[0]), config, [channels.reshape(*[1] * (rank - 1), -1)]))


@_writes("AxisNorm")
def _axis_norm(w, use, x):
    p = use.layer
    if not p.centre:
        raise UnsupportedError(f"{use.name!r}: RMS normalisation is not written.")
    arrays = [a.value for a in (p.weight, p.bias) if a is not None]
    config = {"axis": list(p.dims), "epsilon": float(p.eps), "center": p.bias is not None, "scale": p.weight is not None}
    return _Value(w, plain=w.add("LayerNormalization", [x[0].plain], use.made[0], config, arrays))


@_writes("SamePad")
def _same_pad(w, use, x):
    p = use.layer
    if p.value != 0 or not 1 <= len(p.kernel_size) <= 3:
        raise UnsupportedError(f"{use.name!r}: only borders of zeros are written.")
    return _Value(w, last=_bordered(w, use, x[0], same_pads(use.shape[1:], p.kernel_size, p.stride, p.dilation, p.rule)))


@_writes("Softmax")
def _softmax(w, use, x):
    axis, ndim = use.layer.dim % (len(use.shape) + 1), len(use.shape) + 1
    if axis == 1 and x[0].is_last and ndim > 2:
        return _Value(w, last=w.add("Softmax", [x[0].last], _turned(use.made[0]), {"axis": -1}))
    return _Value(w, plain=w.add("Softmax", [x[0].plain], use.made[0], {"axis": axis}))


# -- products --------------------------------------------------------------------------------------------------------
@_writes("Linear")
def _linear(w, use, x):
    p = use.layer
    arrays = [p.weight.value.T] + ([] if p.bias is None else [p.bias.value])
    config = {"units": p.out_features, "activation": "linear", "use_bias": p.bias is not None}
    return _Value(w, plain=w.add("Dense", [x[0].plain], use.made[0], config, arrays))


@_writes("Embedding")
def _embedding(w, use, x):
    p = use.layer
    config = {"input_dim": p.num_embeddings, "output_dim": p.embedding_dim, "mask_zero": False}
    return _Value(w, plain=w.add("Embedding", [x[0].plain], use.made[0], config, [p.weight.value]))


def _bordered(w, use, x, pads, fill_zero=True):
    """The channels-last input with zeros around its places."""
    if not any(a or b for a, b in pads):
        return x.last
    rank = len(pads)
    name, shape = x.last
    grown = (*(n + a + b for n, (a, b) in zip(shape[:-1], pads, strict=True)), shape[-1])
    config = {"padding": [list(p) for p in pads] if rank > 1 else list(pads[0]), "data_format": "channels_last"}
    return w.add(f"ZeroPadding{rank}D", [(name, shape)], grown, config)


@_writes("Conv1d", "Conv2d", "Conv3d")
def _conv(w, use, x):
    p, windows = use.layer, use.layer.windows
    rank = len(windows.kernel)
    if any(s > 1 for s in windows.stride) and any(d > 1 for d in windows.dilation):
        raise UnsupportedError(f"{use.name!r}: Keras has no convolution with both stride and dilation.")
    source = _bordered(w, use, x[0], windows.pads)
    common = {"kernel_size": list(windows.kernel), "strides": list(windows.stride), "dilation_rate": list(windows.dilation),
              "padding": "valid", "data_format": "channels_last", "activation": "linear", "use_bias": p.bias is not None}  # fmt: skip
    kernel = p.weight.value.transpose(*range(2, 2 + rank), 1, 0)
    bias = [] if p.bias is None else [p.bias.value]
    out = _turned(use.made[0])
    if p.groups == p.in_channels > 1 and rank < 3 and p.out_channels % p.groups == 0:
        multiplier = p.out_channels // p.groups
        depthwise = kernel.reshape(*windows.kernel, p.in_channels, multiplier)
        made = w.add(f"DepthwiseConv{rank}D", [source], out, {**common, "depth_multiplier": multiplier}, [depthwise, *bias])
    else:
        made = w.add(f"Conv{rank}D", [source], out, {**common, "filters": p.out_channels, "groups": p.groups}, [kernel, *bias])
    return _Value(w, last=made)


@_writes("ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d")
def _conv_transpose(w, use, x):
    p, windows = use.layer, use.layer.windows
    rank = len(windows.kernel)
    more = (p.output_padding,) * rank if np.ndim(p.output_padding) == 0 else p.output_padding
    if p.groups != 1 or any(d != 1 for d in windows.dilation) or any(more) or any(k < s for k, s in zip(windows.kernel, windows.stride, strict=True)):
        raise UnsupportedError(f"{use.name!r}: groups, dilation, output_padding or kernels below the stride are not written.")
    config = {"filters": p.out_channels, "kernel_size": list(windows.kernel), "strides": list(windows.stride), "padding": "valid",
              "data_format": "channels_last", "activation": "linear", "use_bias": p.bias is not None}  # fmt: skip
    whole = (*((n - 1) * s + k for n, s, k in zip(use.shape[1:], windows.stride, windows.kernel, strict=True)), p.out_channels)
    arrays = [p.weight.value.transpose(*range(2, 2 + rank), 1, 0)] + ([] if p.bias is None else [p.bias.value])
    made = w.add(f"Conv{rank}DTranspose", [x[0].last], whole, config, arrays)
    if any(a or b for a, b in windows.pads):
        crop = [list(q) for q in windows.pads] if rank > 1 else list(windows.pads[0])
        made = w.add(f"Cropping{rank}D", [made], _turned(use.made[0]), {"cropping": crop, "data_format": "channels_last"})
    return _Value(w, last=made)


@_writes("MaxPool1d", "MaxPool2d", "MaxPool3d", "AvgPool1d", "AvgPool2d", "AvgPool3d")
def _pool(w, use, x):
    p, windows = use.layer, use.layer.windows
    rank, largest = len(windows.kernel), type(p).__name__.startswith("Max")
    exact = [(n - k) // s + 1 for n, k, s in zip(use.shape[1:], windows.kernel, windows.stride, strict=True)]
    padded = any(a or b for a, b in windows.pads)
    if any(d != 1 for d in windows.dilation) or (padded and (largest or not p.count_include_pad)) or (not padded and exact != list(use.made[0][1:])):
        raise UnsupportedError(f"{use.name!r}: Keras's pooling has neither this padding nor sizes rounded up.")
    config = {"pool_size": list(windows.kernel), "strides": list(windows.stride), "padding": "valid", "data_format": "channels_last"}
    source = _bordered(w, use, x[0], windows.pads)
    return _Value(w, last=w.add(f"{'Max' if largest else 'Average'}Pooling{rank}D", [source], _turned(use.made[0]), config))


@_writes("ReduceMean", "ReduceMax")
def _global_pool(w, use, x):
    p, rank = use.layer, len(use.shape) - 1
    if tuple(sorted(d % (rank + 2) for d in p.dims)) != tuple(range(2, rank + 2)) or not 1 <= rank <= 3:
        raise UnsupportedError(f"{use.name!r}: Keras has layers for reductions over all places only.")
    kind = f"Global{'Average' if type(p).__name__ == 'ReduceMean' else 'Max'}Pooling{rank}D"
    made = w.add(kind, [x[0].last], _turned(use.made[0]) if p.keepdim else use.made[0], {"keepdims": bool(p.keepdim), "data_format": "channels_last"})
    return _Value(w, last=made) if p.keepdim else _Value(w, plain=made)


@_writes("BatchNorm1d", "BatchNorm2d", "BatchNorm3d")
def _batch_norm(w, use, x):
    p = use.layer
    affine = [] if p.weight is None else [p.weight.value, p.bias.value]
    config = {"axis": -1, "epsilon": float(p.eps), "momentum": 1 - float(p.momentum or 0.01), "center": bool(affine), "scale": bool(affine)}
    arrays = [*affine, p.running_mean, p.running_var]
    if len(use.shape) == 1:
        return _Value(w, plain=w.add("BatchNormalization", [x[0].plain], use.made[0], config, arrays))
    return _Value(w, last=w.add("BatchNormalization", [x[0].last], _turned(use.made[0]), config, arrays))


@_writes("ScaleShift")
def _scale_shift(w, use, x):
    p, ndim = use.layer, len(use.shape) + 1
    if p.dim % ndim != 1 or len(p.shape) != 1 or p.shape[0] != use.shape[0]:
        raise UnsupportedError(f"{use.name!r}: only a factor and summand per channel is written.")
    n = p.shape[0]
    gamma = np.ones(n) if p.weight is None else p.weight.value
    beta = np.zeros(n) if p.bias is None else p.bias.value
    config = {"axis": -1, "epsilon": 0.0, "center": True, "scale": True}
    arrays = [gamma, beta, np.zeros(n), np.ones(n)]
    if ndim == 2:
        return _Value(w, plain=w.add("BatchNormalization", [x[0].plain], use.made[0], config, arrays))
    return _Value(w, last=w.add("BatchNormalization", [x[0].last], _turned(use.made[0]), config, arrays))


# -- joins and shapes ------------------------------------------------------------------------------------------------
@_writes("Add", "Sub", "Mul", "Maximum", "Minimum")
def _merge(w, use, x):
    kind = {"Sub": "Subtract", "Mul": "Multiply"}.get(type(use.layer).__name__, type(use.layer).__name__)
    if len(x) == 1:
        return x[0]
    if all(v.is_last for v in x):
        return _Value(w, last=w.add(kind, [v.last for v in x], _turned(use.made[0]), {}))
    return _Value(w, plain=w.add(kind, [v.plain for v in x], use.made[0], {}))


@_writes("Concat")
def _concat(w, use, x):
    axis = use.layer.dim % (len(use.shape) + 1)
    if axis == 1 and len(use.shape) > 1 and all(v.is_last for v in x):
        return _Value(w, last=w.add("Concatenate", [v.last for v in x], _turned(use.made[0]), {"axis": -1}))
    return _Value(w, plain=w.add("Concatenate", [v.plain for v in x], use.made[0], {"axis": axis}))


@_writes("Flatten", "Reshape", "Squeeze", "Unsqueeze")
def _reshape(w, use, x):
    return _Value(w, plain=w.add("Reshape", [x[0].plain], use.made[0], {"target_shape": list(use.made[0])}))


@_writes("Permute")
def _permute(w, use, x):
    dims, n = tuple(use.layer.dims), len(use.shape)
    if n > 1 and dims == (n, *range(1, n)):  # channels to the front: what came in is the channels-last form
        return _Value(w, last=x[0].plain)
    if n > 1 and dims == (*range(2, n + 1), 1):
        return _Value(w, plain=x[0].last)
    return _Value(w, plain=w.add("Permute", [x[0].plain], use.made[0], {"dims": list(dims)}))


@_writes("Pad")
def _pad(w, use, x):
    p = use.layer
    pads = p.padding
    rank = len(use.shape) - 1
    if len(pads) != rank or p.value != 0 or not 1 <= rank <= 3:
        raise UnsupportedError(f"{use.name!r}: only zeros around all places are written.")
    grown = tuple((max(a, 0), max(b, 0)) for a, b in pads)
    made = _bordered(w, use, x[0], grown)
    cut = [[max(-a, 0), max(-b, 0)] for a, b in pads]
    if any(a or b for a, b in cut):
        made = w.add(f"Cropping{rank}D", [made], _turned(use.made[0]), {"cropping": cut if rank > 1 else cut[0], "data_format": "channels_last"})
    return _Value(w, last=made)


# -- recurrent -------------------------------------------------------------------------------------------------------
@_writes("LSTM", "GRU", "RNN")
def _recurrent(w, use, x):
    p, kind = use.layer, type(use.layer).__name__
    if p.num_layers != 1 or p.bidirectional or p.return_state or len(x) != 1:
        raise UnsupportedError(f"{use.name!r}: one layer, one direction, no mask and no states are written.")
    n = p.hidden_size
    order = {"LSTM": (0, 1, 2, 3), "GRU": (1, 0, 2), "RNN": (0,)}[kind]
    rows = np.concatenate([np.arange(i * n, (i + 1) * n) for i in order])
    config = {"units": n, "use_bias": bool(p.bias), "return_sequences": bool(p.return_sequences), "go_backwards": bool(p.go_backwards)}
    names = {"hardsigmoid": "hard_sigmoid"}
    own = [p.nonlinearity] if kind == "RNN" else [p.activation, p.recurrent_activation]
    if "hard_sigmoid" in own:
        raise UnsupportedError(f"{use.name!r}: Keras 3 has another hard_sigmoid than Keras 2.")
    config.update(zip(("activation", "recurrent_activation"), (names.get(a, a) for a in own), strict=False))
    arrays = [p.weight_ih_l0.value[rows].T, p.weight_hh_l0.value[rows].T]
    if p.bias:
        first, second = p.bias_ih_l0.value[rows], p.bias_hh_l0.value[rows]
        arrays.append(np.stack([first, second]) if kind == "GRU" and p.reset_after else first + second)
    if kind == "GRU":
        config["reset_after"] = bool(p.reset_after)
    made = w.add("SimpleRNN" if kind == "RNN" else kind, [x[0].plain], use.made[0], config, {"cell": arrays})
    return _Value(w, plain=made)


@_writes("Reverse")
def _refused(w, use, x):
    raise UnsupportedError(f"{use.name!r}: Keras has no layer that turns an axis round.")
