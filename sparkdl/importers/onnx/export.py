"""``save_onnx``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sparkdl.errors import UnsupportedError
from sparkdl.importers.caffe import wire
from sparkdl.importers.caffe.message import Message
from sparkdl.importers.export import Use, check_known, list_uses, pair
from sparkdl.importers.onnx import schema  # noqa: F401  (adds ONNX's messages)
from sparkdl.nn.layers.same_pad import same_pads
from sparkdl.nn.module import Module

OPSET = 17
_TYPES = {np.dtype(np.float32): 1, np.dtype(np.int64): 7, np.dtype(np.float64): 11}


def save_onnx(model: Module, path: str | Path, input_shapes: Sequence[Sequence[int]] | None = None) -> None:
    """Writes the graph of ``model`` (in eval mode) as an ONNX file of opset 17; the batch size stays open.

    ``input_shapes`` (without the batch axis) are needed where the graph does not know them. All layers that ONNX, or
    this exporter, cannot write are listed in one error before the file is made.
    """
    listing = list_uses(model, input_shapes)
    check_known(listing, WRITERS, "ONNX")
    writer = _Writer()
    names = {i: name for i, (name, _) in enumerate(listing.inputs)}
    for use in listing.uses:
        made = WRITERS[type(use.layer).__name__](writer.at(use), use, [names[i] for i in use.inputs])
        names.update(zip(use.outputs, made if isinstance(made, list) else [made], strict=True))
    outputs = []
    for i, number in enumerate(listing.outputs):
        outputs.append(writer.at(None, f"output{i}").node("Identity", [names[number]], name=f"output{i}"))
    graph = Message(
        "GraphProto", name=type(model).__name__, node=writer.nodes, initializer=writer.arrays,
        input=[_info(name, shape) for name, shape in listing.inputs],
        output=[_info(name, listing.shapes[n]) for name, n in zip(outputs, listing.outputs, strict=True)],
    )  # fmt: skip
    whole = Message(
        "ModelProto", ir_version=8, producer_name="sparkdl", graph=graph,
        opset_import=[Message("OperatorSetIdProto", domain="", version=OPSET)],
    )  # fmt: skip
    Path(path).write_bytes(wire.write(whole))


def _info(name: str, shape: Sequence[int]) -> Message:
    dims = [Message("DimensionProto", dim_param="N"), *(Message("DimensionProto", dim_value=int(n)) for n in shape)]
    tensor = Message("TensorTypeProto", elem_type=1, shape=Message("TensorShapeProto", dim=dims))
    return Message("ValueInfoProto", name=name, type=Message("TypeProto", tensor_type=tensor))


class _Writer:
    def __init__(self) -> None:
        self.nodes: list[Message] = []
        self.arrays: list[Message] = []
        self.known: dict[int, str] = {}
        self.count = 0
        self.place = ""

    def at(self, use: Use | None, place: str = "") -> _Writer:
        self.place = use.name if use is not None else place
        return self

    def array(self, value: Any, dtype: Any = np.float32) -> str:
        """A constant; parameters used several times stand once."""
        array = np.ascontiguousarray(value, dtype).reshape(np.shape(value))
        name = f"{self.place}.{len(self.arrays)}"
        self.arrays.append(
            Message("TensorProto", dims=[int(n) for n in array.shape], data_type=_TYPES[array.dtype], name=name, raw_data=array.tobytes())
        )
        return name

    def node(self, op: str, inputs: Sequence[str], outputs: int = 1, name: str = "", **attributes: Any) -> Any:
        self.count += 1
        made = [name or f"{self.place}/{self.count}" + (f"_{i}" if outputs > 1 else "") for i in range(outputs)]
        listed = [_attribute(k, v) for k, v in attributes.items() if v is not None]
        self.nodes.append(Message("NodeProto", input=list(inputs), output=made, name=f"{self.place}#{self.count}", op_type=op, attribute=listed))
        return made[0] if outputs == 1 else made


def _attribute(name: str, value: Any) -> Message:
    if isinstance(value, bool | int | np.integer):
        return Message("AttributeProto", name=name, i=int(value), type=2)
    if isinstance(value, float | np.floating):
        return Message("AttributeProto", name=name, f=float(value), type=1)
    if isinstance(value, str):
        return Message("AttributeProto", name=name, s=value.encode(), type=3)
    if value and isinstance(value[0], str):
        return Message("AttributeProto", name=name, strings=[v.encode() for v in value], type=8)
    return Message("AttributeProto", name=name, ints=[int(v) for v in value], type=7)


Writer = Callable[[_Writer, Use, list[str]], Any]
WRITERS: dict[str, Writer] = {}


def _writes(*kinds: str) -> Callable[[Writer], Writer]:
    def register(function: Writer) -> Writer:
        WRITERS.update({kind: function for kind in kinds})
        return function

    return register


_SIMPLE = {
    "ReLU": "Relu", "Sigmoid": "Sigmoid", "Tanh": "Tanh", "Softsign": "Softsign", "Abs": "Abs", "Exp": "Exp", "Log": "Log",
    "Sqrt": "Sqrt", "Negative": "Neg", "Reciprocal": "Reciprocal", "Identity": "Identity", "ActivityRegularization": "Identity", "Dropout": "Identity",
    "Dropout1d": "Identity", "Dropout2d": "Identity", "Dropout3d": "Identity", "AlphaDropout": "Identity",
    "GaussianNoise": "Identity", "GaussianDropout": "Identity", "Hardswish": "HardSwish", "MatMul": "MatMul", "Sub": "Sub", "Div": "Div",
    "Maximum": "Max", "Minimum": "Min", "Erf": "Erf",
}  # fmt: skip


@_writes(*_SIMPLE)
def _simple(w, use, x):
    if type(use.layer).__name__ == "MatMul":
        swap = [use.layer.transpose_a, use.layer.transpose_b]
        x = [_swapped(w, v, len(s) + 1) if t else v for v, s, t in zip(x, use.shapes, swap, strict=True)]
    return w.node(_SIMPLE[type(use.layer).__name__], x)


def _swapped(w, x, ndim):
    order = list(range(ndim))
    order[-2:] = order[-1], order[-2]
    return w.node("Transpose", [x], perm=order)


@_writes("Add", "Mul")
def _chain(w, use, x):
    y = x[0]
    for other in x[1:]:
        y = w.node(type(use.layer).__name__, [y, other])
    return y


@_writes("AddConstant", "MulConstant")
def _constant(w, use, x):
    return w.node(type(use.layer).__name__[:3], [x[0], w.array(use.layer.constant)])


@_writes("Power")
def _power(w, use, x):
    p = use.layer
    y = w.node("Mul", [x[0], w.array(p.scale)]) if p.scale != 1 else x[0]
    y = w.node("Add", [y, w.array(p.shift)]) if p.shift != 0 else y
    return w.node("Pow", [y, w.array(p.exponent)])


@_writes("Square")
def _square(w, use, x):
    return w.node("Mul", [x[0], x[0]])


@_writes("LeakyReLU")
def _leaky(w, use, x):
    return w.node("LeakyRelu", x, alpha=float(use.layer.negative_slope))


@_writes("ELU")
def _elu(w, use, x):
    return w.node("Elu", x, alpha=float(use.layer.alpha))


@_writes("SELU")
def _selu(w, use, x):
    return w.node("Selu", x)


@_writes("Softplus")
def _softplus(w, use, x):
    if use.layer.beta != 1:
        raise UnsupportedError(f"{use.name!r}: ONNX's Softplus has beta 1.")
    return w.node("Softplus", x)


@_writes("SiLU")
def _silu(w, use, x):
    return w.node("Mul", [x[0], w.node("Sigmoid", x)])


@_writes("Mish")
def _mish(w, use, x):
    return w.node("Mul", [x[0], w.node("Tanh", [w.node("Softplus", x)])])


@_writes("GELU")
def _gelu(w, use, x):
    if use.layer.approximate == "tanh":
        cube = w.node("Mul", [w.node("Pow", [x[0], w.array(3.0)]), w.array(0.044715)])
        inner = w.node("Tanh", [w.node("Mul", [w.node("Add", [x[0], cube]), w.array(np.sqrt(2 / np.pi))])])
    else:
        inner = w.node("Erf", [w.node("Mul", [x[0], w.array(np.sqrt(0.5))])])
    return w.node("Mul", [w.node("Mul", [x[0], w.array(0.5)]), w.node("Add", [inner, w.array(1.0)])])


@_writes("Hardsigmoid")
def _hard_sigmoid(w, use, x):
    return w.node("HardSigmoid", x, alpha=float(use.layer.steepness), beta=float(use.layer.offset))


@_writes("Hardtanh", "Clamp", "ReLU6")
def _clip(w, use, x):
    return w.node("Clip", [x[0], w.array(np.float32(use.layer.min_val)), w.array(np.float32(use.layer.max_val))])


@_writes("Softmax", "LogSoftmax")
def _softmax(w, use, x):
    return w.node(type(use.layer).__name__, x, axis=use.layer.dim % (len(use.shape) + 1))


@_writes("PReLU", "SlopeBelowZero")
def _prelu(w, use, x):
    slopes = use.layer.weight.value
    if type(use.layer).__name__ == "PReLU":
        slopes = slopes.reshape(-1, *[1] * (len(use.shape) - 1))
    return w.node("PRelu", [x[0], w.array(slopes)])


# -- windows ---------------------------------------------------------------------------------------------------------
def _pads(pads):
    return [a for a, _ in pads] + [b for _, b in pads]


@_writes("Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d")
def _conv(w, use, x):
    p, transposed = use.layer, "Transpose" in type(use.layer).__name__
    inputs = [x[0], w.array(p.weight.value)] + ([] if p.bias is None else [w.array(p.bias.value)])
    windows, rank = p.windows, len(use.shape) - 1
    more = {"output_padding": list(pair(p.output_padding, rank))} if transposed else {}
    return w.node(
        "ConvTranspose" if transposed else "Conv", inputs, kernel_shape=list(windows.kernel), strides=list(windows.stride),
        dilations=list(windows.dilation), group=p.groups, pads=_pads(windows.pads), **more,
    )  # fmt: skip


@_writes("MaxPool1d", "MaxPool2d", "MaxPool3d", "AvgPool1d", "AvgPool2d", "AvgPool3d")
def _pool(w, use, x):
    p, windows = use.layer, use.layer.windows
    common = {"kernel_shape": list(windows.kernel), "strides": list(windows.stride), "pads": _pads(windows.pads), "ceil_mode": int(p.ceil_mode)}
    if type(p).__name__.startswith("Max"):
        return w.node("MaxPool", x, dilations=list(windows.dilation), **common)
    if p.divisor_override is not None:
        raise UnsupportedError(f"{use.name!r}: ONNX has no divisor_override.")
    if p.ceil_mode and p.count_include_pad and any(
        (n + a + b - k) % s for n, k, s, (a, b) in zip(use.shape[1:], windows.kernel, windows.stride, windows.pads, strict=True)
    ):
        return _clipped_means(w, use, x, windows)
    return w.node("AveragePool", x, count_include_pad=int(p.count_include_pad), **common)


def _clipped_means(w, use, x, windows):
    """Means whose last windows reach behind the padding: runtimes disagree there, so sums are divided explicitly."""
    sizes, out = use.shape[1:], use.made[0][1:]
    grown, factor = [], np.ones(())
    for n, o, k, s, (a, b) in zip(sizes, out, windows.kernel, windows.stride, windows.pads, strict=True):
        first = np.arange(o) * s - a
        counts = np.minimum(first + k, n + b) - first
        factor = factor[..., None] * (k / counts)
        grown.append((a, b + max((o - 1) * s + k - (n + a + b), 0)))
    rank = len(sizes)
    padded = w.node("Pad", [x[0], w.array([0, 0, *(a for a, _ in grown), 0, 0, *(b for _, b in grown)], np.int64)])
    mean = w.node("AveragePool", [padded], kernel_shape=list(windows.kernel), strides=list(windows.stride), pads=[0] * 2 * rank)
    return w.node("Mul", [mean, w.array(factor[None, None])])


@_writes("Pad", "SamePad", "ZeroPad1d", "ZeroPad2d", "ZeroPad3d")
def _pad(w, use, x):
    p = use.layer
    if type(p).__name__ == "SamePad":
        pads = same_pads(use.shape[1:], p.kernel_size, p.stride, p.dilation, p.rule)
    elif type(p).__name__ == "Pad":
        pads = p.padding
    else:
        raise UnsupportedError(f"{use.name!r}: put nn.Pad in place of {type(p).__name__}.")
    before = len(use.shape) + 1 - len(pads)
    full = [(0, 0)] * before + list(pads)
    return w.node("Pad", [x[0], w.array([a for a, _ in full] + [b for _, b in full], np.int64), w.array(np.float32(p.value))])


@_writes("SameMeanCorrection")
def _mean_correction(w, use, x):
    p, factor = use.layer, np.ones(())
    sizes = use.shapes[1][1:]
    pads = same_pads(sizes, p.kernel_size, p.stride, (1,) * len(sizes), p.rule)
    for n, out, k, s, (a, _) in zip(sizes, use.shape[1:], p.kernel_size, p.stride, pads, strict=True):
        first = np.arange(out) * s - a
        factor = factor[..., None] * (k / np.maximum(np.minimum(first + k, n) - np.maximum(first, 0), 1))
    return w.node("Mul", [x[0], w.array(factor[None, None])])


@_writes("Upsample")
def _upsample(w, use, x):
    p = use.layer
    size = w.array([1.0, *(m / n for m, n in zip(use.made[0], use.shape, strict=True))])
    how = "align_corners" if p.align_corners else "half_pixel"
    if p.mode == "nearest":
        return w.node("Resize", [x[0], "", size], mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    return w.node("Resize", [x[0], "", size], mode="linear", coordinate_transformation_mode=how)


# -- products --------------------------------------------------------------------------------------------------------
@_writes("Linear")
def _linear(w, use, x):
    p = use.layer
    if len(use.shape) == 1:
        inputs = [x[0], w.array(p.weight.value)] + ([] if p.bias is None else [w.array(p.bias.value)])
        return w.node("Gemm", inputs, transB=1)
    y = w.node("MatMul", [x[0], w.array(p.weight.value.T)])
    return y if p.bias is None else w.node("Add", [y, w.array(p.bias.value)])


@_writes("Embedding")
def _embedding(w, use, x):
    return w.node("Gather", [w.array(use.layer.weight.value), w.node("Cast", x, to=7)])


@_writes("BatchNorm1d", "BatchNorm2d", "BatchNorm3d")
def _batch_norm(w, use, x):
    p = use.layer
    n = p.num_features
    weight = np.ones(n) if p.weight is None else p.weight.value
    bias = np.zeros(n) if p.bias is None else p.bias.value
    return w.node("BatchNormalization", [x[0], *(w.array(a) for a in (weight, bias, p.running_mean, p.running_var))], epsilon=float(p.eps))


@_writes("ScaleShift")
def _scale_shift(w, use, x):
    p = use.layer
    axis = p.dim % (len(use.shape) + 1)
    full = (*p.shape, *[1] * (len(use.shape) + 1 - axis - len(p.shape)))
    y = x[0] if p.weight is None else w.node("Mul", [x[0], w.array(p.weight.value.reshape(full))])
    return y if p.bias is None else w.node("Add", [y, w.array(p.bias.value.reshape(full))])


@_writes("LocalResponseNorm")
def _lrn(w, use, x):
    p = use.layer
    return w.node("LRN", x, size=int(p.size), alpha=float(p.alpha), beta=float(p.beta), bias=float(p.k))


@_writes("LayerNorm")
def _layer_norm(w, use, x):
    p = use.layer
    axes = len(np.atleast_1d(p.normalized_shape))
    weight = np.ones(p.normalized_shape) if p.weight is None else p.weight.value
    inputs = [x[0], w.array(weight)] + ([] if p.bias is None else [w.array(p.bias.value)])
    return w.node("LayerNormalization", inputs, axis=-axes, epsilon=float(p.eps))


@_writes("AxisNorm")
def _axis_norm(w, use, x):
    p, axes = use.layer, list(use.layer.dims)
    centred = w.node("Sub", [x[0], w.node("ReduceMean", x, axes=axes)]) if p.centre else x[0]
    variance = w.node("ReduceMean", [w.node("Mul", [centred, centred])], axes=axes)
    y = w.node("Div", [centred, w.node("Sqrt", [w.node("Add", [variance, w.array(p.eps)])])])
    sizes = dict(zip(p.dims, p.shape, strict=True))
    full = tuple(sizes.get(i, 1) for i in range(len(use.shape) + 1))
    y = y if p.weight is None else w.node("Mul", [y, w.array(p.weight.value.reshape(full))])
    return y if p.bias is None else w.node("Add", [y, w.array(p.bias.value.reshape(full))])


# -- shapes ----------------------------------------------------------------------------------------------------------
@_writes("Flatten", "Reshape", "Squeeze", "Unsqueeze")
def _reshape(w, use, x):
    return w.node("Reshape", [x[0], w.array([0 if len(use.made[0]) and i == 0 else n for i, n in enumerate((0, *use.made[0]))], np.int64)])


@_writes("Permute")
def _permute(w, use, x):
    return w.node("Transpose", x, perm=[0, *use.layer.dims])


@_writes("Concat")
def _concat(w, use, x):
    return w.node("Concat", x, axis=use.layer.dim % (len(use.shape) + 1))


@_writes("Stack")
def _stack(w, use, x):
    axis = use.layer.dim % (len(use.shape) + 2)
    return w.node("Concat", [w.node("Unsqueeze", [v, w.array([axis], np.int64)]) for v in x], axis=axis)


@_writes("Split")
def _split(w, use, x):
    axis = use.layer.dim % (len(use.shape) + 1)
    sizes = [s[axis - 1] for s in use.made]
    made = w.node("Split", [x[0], w.array(sizes, np.int64)], outputs=len(sizes), axis=axis)
    return made if isinstance(made, list) else [made]


@_writes("Tile")
def _tile(w, use, x):
    times = [1] * (len(use.shape) + 1)
    times[use.layer.dim] = use.layer.times
    return w.node("Tile", [x[0], w.array(times, np.int64)])


@_writes("Reverse")
def _reverse(w, use, x):
    axis = use.layer.dim % (len(use.shape) + 1)
    least = -(2**31)
    return w.node("Slice", [x[0], *(w.array([v], np.int64) for v in (-1, least, axis, -1))])


@_writes("Repeat")
def _repeat(w, use, x):
    axis = use.layer.dim % (len(use.shape) + 1)
    apart = w.node("Unsqueeze", [x[0], w.array([axis + 1], np.int64)])
    times = [1] * (len(use.shape) + 2)
    times[axis + 1] = use.layer.times
    return w.node("Reshape", [w.node("Tile", [apart, w.array(times, np.int64)]), w.array([0, *use.made[0]], np.int64)])


@_writes("Threshold", "BinaryThreshold")
def _threshold(w, use, x):
    p = use.layer
    above = w.node("Greater", [x[0], w.array(p.threshold)])
    if type(p).__name__ == "BinaryThreshold":
        return w.node("Cast", [above], to=1)
    return w.node("Where", [above, x[0], w.array(p.fill)])


@_writes("L2Normalize")
def _l2_normalize(w, use, x):
    p, axes = use.layer, [d % (len(use.shape) + 1) for d in use.layer.dims]
    square = w.node("ReduceSum", [w.node("Mul", [x[0], x[0]]), w.array(axes, np.int64)], keepdims=1)
    square = w.node("Add" if p.added else "Max", [square, w.array(p.eps)])
    return w.node("Div", [x[0], w.node("Sqrt", [square])])


@_writes("ReduceMean", "ReduceMax")
def _reduce(w, use, x):
    axes = [d % (len(use.shape) + 1) for d in use.layer.dims]
    return w.node(type(use.layer).__name__, x, axes=axes, keepdims=int(use.layer.keepdim))


@_writes("ReduceSum")
def _reduce_sum(w, use, x):
    axes = [d % (len(use.shape) + 1) for d in use.layer.dims]
    return w.node("ReduceSum", [x[0], w.array(axes, np.int64)], keepdims=int(use.layer.keepdim))


# -- recurrent -------------------------------------------------------------------------------------------------------
_ACTIVATIONS = {"tanh": "Tanh", "sigmoid": "Sigmoid", "relu": "Relu", "hard_sigmoid": "HardSigmoid", "softsign": "Softsign", "softplus": "Softplus"}


@_writes("LSTM", "GRU", "RNN")
def _recurrent(w, use, x):
    p, kind = use.layer, type(use.layer).__name__
    simple = p.num_layers == 1 and not p.bidirectional and not p.return_state and len(x) == 1
    own = [p.nonlinearity] if kind == "RNN" else [p.recurrent_activation, p.activation] + ([p.activation] if kind == "LSTM" else [])
    if not simple or any(name not in _ACTIVATIONS for name in own):
        raise UnsupportedError(f"{use.name!r}: ONNX export takes one layer, one direction, no mask and no states.")
    n = p.hidden_size
    order = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2), "RNN": (0,)}[kind]  # ours: ifgo, rzn; ONNX: iofc, zrh

    def gates(a):
        return np.concatenate([a[i * n : (i + 1) * n] for i in order])[None]

    zero = np.zeros(len(order) * n, np.float32)
    biases = [p.bias_ih_l0.value, p.bias_hh_l0.value] if p.bias else [zero, zero]
    steps = w.node("Transpose", [x[0]], perm=[1, 0, 2])
    if p.go_backwards:
        steps = w.node("Slice", [steps, *(w.array([v], np.int64) for v in (-1, -(2**31), 0, -1))])
    more = {"linear_before_reset": int(p.reset_after)} if kind == "GRU" else {}
    inputs = [steps, w.array(gates(p.weight_ih_l0.value)), w.array(gates(p.weight_hh_l0.value)), w.array(np.concatenate([gates(b) for b in biases], axis=1))]
    made = w.node(kind, inputs, outputs=2, hidden_size=n, activations=[_ACTIVATIONS[name] for name in own], **more)
    if p.return_sequences:
        return w.node("Transpose", [w.node("Squeeze", [made[0], w.array([1], np.int64)])], perm=[1, 0, 2])
    return w.node("Squeeze", [made[1], w.array([0], np.int64)])
