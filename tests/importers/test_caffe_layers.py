"""Every layer type of Caffe, in nets of one layer with random weights, against its formula written out."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from sparkdl.errors import FormatError, UnsupportedError
from sparkdl.importers import load_caffe, register_caffe
from sparkdl.importers.caffe import wire
from sparkdl.importers.caffe.message import Message
from sparkdl.importers.caffe.table import table

P = (2, 4, 5, 6)  # a batch of pictures


@dataclass
class Row:
    kind: str
    options: str
    reference: Any  # of the inputs and then the blobs
    shapes: tuple[tuple[int, ...], ...] = (P,)
    blobs: tuple[tuple[int, ...], ...] = ()
    values: dict[int, Any] = field(default_factory=dict)  # inputs that are not normally distributed
    tops: int = 1


def net(row, more=""):
    lines = [
        f'layer {{ name: "x{i}" type: "Input" top: "x{i}" input_param {{ shape {{ {" ".join(f"dim: {n}" for n in shape)} }} }} }}'
        for i, shape in enumerate(row.shapes)
    ]
    bottoms = " ".join(f'bottom: "x{i}"' for i in range(len(row.shapes)))
    tops = " ".join(f'top: "y{i}"' for i in range(row.tops))
    return "\n".join([*lines, f'layer {{ name: "l" type: "{row.kind}" {bottoms} {tops} {row.options} }}', more])


def blob(array):
    return Message("BlobProto", data=[np.float32(array).reshape(-1)], shape=Message("BlobShape", dim=list(np.shape(array))))


def write(folder, text, blobs, name="l"):
    (folder / "net.prototxt").write_text(text)
    layer = Message("LayerParameter", name=name, type="Any", blobs=[blob(b) for b in blobs])
    (folder / "net.caffemodel").write_bytes(wire.write(Message("NetParameter", layer=[layer] if blobs else [])))
    return folder / "net.prototxt", folder / "net.caffemodel" if blobs else None


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def convolved(x, w, b=0.0, stride=(1, 1), pad=(0, 0), apart=(1, 1), groups=1):
    x = np.pad(x, ((0, 0), (0, 0), (pad[0],) * 2, (pad[1],) * 2))
    high, wide = ((w.shape[i + 2] - 1) * apart[i] + 1 for i in (0, 1))
    rows, columns = (x.shape[2] - high) // stride[0] + 1, (x.shape[3] - wide) // stride[1] + 1
    y = np.zeros((len(x), len(w), rows, columns))
    each_in, each_out = x.shape[1] // groups, len(w) // groups
    for g, i, j in np.ndindex(groups, rows, columns):
        part = x[:, g * each_in : (g + 1) * each_in, i * stride[0] :, j * stride[1] :][:, :, : high : apart[0], : wide : apart[1]]
        out = slice(g * each_out, (g + 1) * each_out)
        y[:, out, i, j] = np.einsum("ncij,ocij->no", part, w[out])
    return y + np.reshape(b, (-1, 1, 1))


def deconvolved(x, w, stride, pad, groups):
    n, c, h, wide = x.shape
    each_in, each_out = c // groups, w.shape[1]
    y = np.zeros((n, groups * each_out, (h - 1) * stride + w.shape[2], (wide - 1) * stride + w.shape[3]))
    for g, i, j in np.ndindex(groups, h, wide):
        part = np.einsum("nc,coij->noij", x[:, g * each_in : (g + 1) * each_in, i, j], w[g * each_in : (g + 1) * each_in])
        y[:, g * each_out : (g + 1) * each_out, i * stride :, j * stride :][:, :, : w.shape[2], : w.shape[3]] += part
    return y[:, :, pad : y.shape[2] - pad, pad : y.shape[3] - pad]


def pooled(x, method, kernel, stride, pad, up=True):
    """The loops of Caffe's pooling layer."""
    sizes, count = x.shape[2:], []
    for n, k, s, p in zip(sizes, kernel, stride, pad, strict=True):
        room = (n + 2 * p - k) / s
        count.append(int(np.ceil(room) if up else np.floor(room)) + 1)
    if any(pad):
        count = [m - ((m - 1) * s >= n + p) for m, s, n, p in zip(count, stride, sizes, pad, strict=True)]
    y = np.zeros((*x.shape[:2], *count))
    for i, j in np.ndindex(*count):
        start = [a * s - p for a, s, p in zip((i, j), stride, pad, strict=True)]
        end = [min(a + k, n + p) for a, k, n, p in zip(start, kernel, sizes, pad, strict=True)]
        area = (end[0] - start[0]) * (end[1] - start[1])
        part = x[:, :, max(start[0], 0) : end[0], max(start[1], 0) : end[1]]
        if method == "MAX":
            y[:, :, i, j] = part.max((2, 3))
        elif method == "AVE":
            y[:, :, i, j] = part.sum((2, 3)) / area
        else:
            y[:, :, i, j] = (part * part).sum((2, 3)) / part.sum((2, 3))
    return y


def pyramid(x, height, method):
    parts = []
    for level in range(height):
        bins = 2**level
        kernel = [-(-n // bins) for n in x.shape[2:]]
        pad = [(k * bins - n + 1) // 2 for k, n in zip(kernel, x.shape[2:], strict=True)]
        parts.append(pooled(x, method, kernel, kernel, pad).reshape(len(x), -1))
        assert parts[-1].shape[1] == x.shape[1] * bins**2
    return np.concatenate(parts, 1)


def columns(x, k, stride, pad):
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    rows, across = (x.shape[2] - k) // stride + 1, (x.shape[3] - k) // stride + 1
    y = np.zeros((len(x), x.shape[1], k, k, rows, across))
    for i, j in np.ndindex(k, k):
        y[:, :, i, j] = x[:, :, i : i + stride * rows : stride, j : j + stride * across : stride][:, :, :rows, :across]
    return y.reshape(len(x), -1, rows, across)


def resized(x, size):
    """Between corners that stay corners."""
    for axis, n in zip((2, 3), size, strict=True):
        at = np.linspace(0, x.shape[axis] - 1, n)
        low = np.minimum(at.astype(int), x.shape[axis] - 2)
        shape = [n if i == axis else 1 for i in range(4)]
        share = (at - low).reshape(shape)
        x = x.take(low, axis) * (1 - share) + x.take(low + 1, axis) * share
    return x


def across(x, size, alpha, beta, k):
    padded = np.pad(x * x, ((0, 0), (size // 2,) * 2, (0, 0), (0, 0)))
    sums = sum(padded[:, i : i + x.shape[1]] for i in range(size))
    return x / (k + alpha / size * sums) ** beta


def within(x, size, alpha, beta):
    return x / (1 + alpha * pooled(x * x, "AVE", (size, size), (1, 1), (size // 2,) * 2)) ** beta


def standard(x, axes, eps, variance=True):
    y = x - x.mean(axes, keepdims=True)
    return y / (y.std(axes, keepdims=True) + eps) if variance else y


def softmax(x, axis):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def channels(v, x):
    return np.reshape(v, (-1, *[1] * (x.ndim - 2)))


def normalised(x, mean, variance, eps):
    return (x - channels(mean, x)) / np.sqrt(channels(variance, x) + eps)


def best(x, k, axis=None, values=False):
    rows = x.reshape(len(x), -1) if axis is None else np.moveaxis(x, axis, -1)
    order = np.argsort(-rows, -1)[..., :k]
    top = np.take_along_axis(rows, order, -1)
    if axis is None:
        return np.stack([order, top], 1) if values else order[:, None]
    return np.moveaxis(top if values else order, -1, axis)


def reorganised(x):
    """Darknet's reorg: the channels of a picture that is read as one of twice the sizes."""
    return np.concatenate([x[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)], 1)


def regions(x, boxes, high, wide):
    y = np.zeros((len(boxes), x.shape[1], high, wide))
    for r, (n, x1, y1, x2, y2) in enumerate(boxes.astype(int)):
        h, w = max(y2 - y1 + 1, 1), max(x2 - x1 + 1, 1)
        for i, j in np.ndindex(high, wide):
            rows = slice(min(y1 + i * h // high, x.shape[2]), min(y1 - (-(i + 1) * h // high), x.shape[2]))
            cells = slice(min(x1 + j * w // wide, x.shape[3]), min(x1 - (-(j + 1) * w // wide), x.shape[3]))
            part = x[n, :, rows, cells]
            y[r, :, i, j] = part.max((1, 2)) if part.size else 0
    return y


def between(x, boxes, high, wide, ratio):
    """Means of points between four places, ``ratio`` by ``ratio`` in each cell."""
    y = np.zeros((len(boxes), x.shape[1], high, wide))
    for r, (n, x1, y1, x2, y2) in enumerate(boxes):
        cell = max(y2 - y1, 1) / high, max(x2 - x1, 1) / wide
        for i, j, a, b in np.ndindex(high, wide, ratio, ratio):
            v, u = y1 + cell[0] * (i + (a + 0.5) / ratio), x1 + cell[1] * (j + (b + 0.5) / ratio)
            places = [(int(v) + d, int(u) + e, abs(1 - d - v % 1) * abs(1 - e - u % 1)) for d in (0, 1) for e in (0, 1)]
            y[r, :, i, j] += sum(x[int(n), :, min(d, x.shape[2] - 1), min(e, x.shape[3] - 1)] * w for d, e, w in places) / ratio**2
    return y


def by_cell(x, boxes, size, scale):
    """Position-sensitive pooling: each cell of a region has channels of its own."""
    y = np.zeros((len(boxes), x.shape[1] // size**2, size, size))
    for r, (n, x1, y1, x2, y2) in enumerate(boxes):
        high, wide = max((y2 + 1 - y1) * scale, 0.1) / size, max((x2 + 1 - x1) * scale, 0.1) / size
        for c, i, j in np.ndindex(y.shape[1:]):
            rows = slice(int(y1 * scale + i * high), int(np.ceil(y1 * scale + (i + 1) * high)))
            cells = slice(int(x1 * scale + j * wide), int(np.ceil(x1 * scale + (j + 1) * wide)))
            part = x[int(n), (c * size + i) * size + j, rows, cells]
            y[r, c, i, j] = part.mean() if part.size else 0
    return y


def unit(old, z, cont):
    i, f, o, g = np.split(z, 4, 2)
    c = cont[:, :, None] * sigmoid(f) * old + sigmoid(i) * np.tanh(g)
    return c, sigmoid(o) * np.tanh(c)


SIMPLE = {
    "Sigmoid": sigmoid, "TanH": np.tanh, "AbsVal": abs, "BNLL": lambda x: np.log1p(np.exp(x)), "Split": lambda x: x,
    "ReLU6": lambda x: x.clip(0, 6), "Mish": lambda x: x * np.tanh(np.log1p(np.exp(x))), "Dropout": lambda x: x,
    **dict.fromkeys(["HardSwish", "HSwish"], lambda x: x * (x + 3).clip(0, 6) / 6),
    **dict.fromkeys(["HardSigmoid", "HSigmoid"], lambda x: (x + 3).clip(0, 6) / 6),
    "CReLU": lambda x: np.concatenate([x.clip(0), (-x).clip(0)], 1),
}  # fmt: skip
DEPTHWISE = ["ConvolutionDepthwise", "DepthwiseConvolution", "DepthwiseConv", "ConvolutionDepthWise"]
BOXES = np.array([[0, 1, 0, 4, 3], [1, 0, 2, 5, 4], [0, 3, 3, 2, 1]])
ROWS = [
    *[Row(kind, "", f) for kind, f in SIMPLE.items()],
    Row("ReLU", "relu_param { negative_slope: 0.1 }", lambda x: np.where(x > 0, x, 0.1 * x)),
    Row("PReLU", "", lambda x, a: np.where(x > 0, x, channels(a, x) * x), blobs=((4,),)),
    Row("PReLU", "prelu_param { channel_shared: true }", lambda x, a: np.where(x > 0, x, a[0] * x), blobs=((1,),)),
    Row("ELU", "elu_param { alpha: 0.7 }", lambda x: np.where(x > 0, x, 0.7 * (np.exp(x) - 1))),
    Row("Power", "power_param { power: 3 scale: 0.5 shift: 1 }", lambda x: (1 + 0.5 * x) ** 3),
    Row("Power", "power_param { scale: 0.5 shift: 1 }", lambda x: 1 + 0.5 * x),
    Row("Exp", "exp_param { base: 2 scale: 0.5 shift: 0.25 }", lambda x: 2 ** (0.25 + 0.5 * x)),
    Row("Exp", "exp_param { base: 1 }", lambda x: np.ones_like(x)),
    Row("Log", "log_param { base: 10 scale: 2 shift: 9 }", lambda x: np.log10(9 + 2 * x)),
    Row("Threshold", "threshold_param { threshold: 0.2 }", lambda x: x > 0.2),
    Row("Clip", "clip_param { min: -0.5 max: 0.7 }", lambda x: x.clip(-0.5, 0.7)),
    Row("Swish", "swish_param { beta: 1.5 }", lambda x: x * sigmoid(1.5 * x)),
    *[Row("Softmax", f"softmax_param {{ axis: {a} }}", lambda x, a=a: softmax(x, a)) for a in (1, 3, -1, -2)],
    # products and windows
    Row("InnerProduct", "inner_product_param { num_output: 3 }", lambda x, w, b: x.reshape(2, -1) @ w.T + b, blobs=((3, 120), (3,))),
    Row("InnerProduct", "inner_product_param { num_output: 3 axis: -2 transpose: true bias_term: false }",
        lambda x, w: x.reshape(2, 4, -1) @ w, blobs=((30, 3),)),
    Row("InnerProduct", "inner_product_param { num_output: 3 bias_term: false }", lambda x, w: x.reshape(2, -1) @ w[0, 0].T,
        blobs=((1, 1, 3, 120),)),
    Row("Embed", "embed_param { num_output: 3 input_dim: 5 }", lambda x, w, b: w[x.astype(int)] + b, ((2, 3),), ((5, 3), (3,)),
        {0: [[0, 4, 2], [1, 1, 3]]}),
    Row("Convolution", "convolution_param { num_output: 6 group: 2 kernel_h: 3 kernel_w: 2 stride_h: 2 stride_w: 1 pad_h: 1 pad_w: 2 }",
        lambda x, w, b: convolved(x, w, b, (2, 1), (1, 2), groups=2), blobs=((6, 2, 3, 2), (6,))),
    Row("Convolution", "convolution_param { num_output: 3 kernel_size: 3 kernel_size: 2 dilation: 1 dilation: 2 pad: 1 bias_term: false }",
        lambda x, w: convolved(x, w, pad=(1, 1), apart=(1, 2)), blobs=((3, 4, 3, 2),)),
    Row("Convolution", "convolution_param { num_output: 3 kernel_size: 2 axis: -3 force_nd_im2col: true }",
        lambda x, w, b: convolved(x, w, b), blobs=((3, 4, 2, 2), (3,))),
    Row("Convolution", "convolution_param { num_output: 3 kernel_size: 2 axis: 2 }",
        lambda x, w, b: np.stack([convolved(x[:, i], w, b) for i in range(3)], 1), ((2, 3, 4, 5, 6),), ((3, 4, 2, 2), (3,))),
    Row("Convolution", "convolution_param { num_output: 3 kernel_size: 2 axis: 2 }",
        lambda x, w, b: np.stack([convolved(x[:, i, :, None], w[:, :, None], b)[:, :, 0] for i in range(4)], 1), blobs=((3, 5, 2), (3,))),
    Row("Convolution", "convolution_param { num_output: 3 kernel_size: 2 }", lambda x, z, w, b: (convolved(x, w, b), convolved(z, w, b)),
        (P, P), ((3, 4, 2, 2), (3,)), tops=2),
    *[Row(kind, "convolution_param { num_output: 4 kernel_size: 3 pad: 1 }", lambda x, w, b: convolved(x, w, b, pad=(1, 1), groups=4),
          blobs=((4, 1, 3, 3), (4,))) for kind in DEPTHWISE],
    Row("Deconvolution", "convolution_param { num_output: 6 group: 2 kernel_size: 3 stride: 2 pad: 1 bias_term: false }",
        lambda x, w: deconvolved(x, w, 2, 1, 2), blobs=((4, 3, 3, 3),)),
    Row("Deconvolution", "convolution_param { num_output: 4 group: 4 kernel_size: 4 stride: 2 pad: 1 bias_term: false }",
        lambda x, w: deconvolved(x, w, 2, 1, 4), blobs=((4, 1, 4, 4),)),
    *[Row("Pooling", f"pooling_param {{ pool: {m} kernel_h: {k[0]} kernel_w: {k[1]} stride_h: {s[0]} stride_w: {s[1]} pad_h: {p[0]} pad_w: {p[1]} {r} }}",
          lambda x, m=m, k=k, s=s, p=p, r=r: pooled(x, m, k, s, p, not r))
      for m in ("MAX", "AVE")
      for k, s, p, r in [
          ((3, 3), (2, 2), (0, 0), ""), ((3, 2), (2, 1), (1, 1), ""), ((3, 3), (2, 2), (2, 2), ""), ((4, 3), (3, 2), (3, 0), ""),
          ((2, 2), (2, 2), (1, 1), ""), ((2, 3), (3, 3), (0, 0), ""), ((3, 3), (2, 2), (0, 0), "round_mode: FLOOR"),
          ((3, 3), (2, 2), (2, 1), "ceil_mode: false"), ((5, 2), (1, 3), (4, 1), ""),
      ]],
    Row("Pooling", "pooling_param { pool: STOCHASTIC kernel_size: 3 stride: 2 }",
        lambda x: pooled(x, "STOCHASTIC", (3, 3), (2, 2), (0, 0)), values={0: np.arange(1.0, 241).reshape(P)}),
    Row("Pooling", "pooling_param { pool: AVE global_pooling: true }", lambda x: x.mean((2, 3), keepdims=True)),
    *[Row("SPP", f"spp_param {{ pyramid_height: {h} pool: {m} }}", lambda x, h=h, m=m: pyramid(x, h, m), ((2, 3, *size),))
      for h, m, size in [(3, "MAX", (9, 9)), (3, "AVE", (9, 8)), (2, "MAX", (5, 7)), (4, "MAX", (23, 22)), (1, "AVE", (4, 3))]],
    Row("Im2col", "convolution_param { kernel_size: 3 stride: 2 pad: 1 }", lambda x: columns(x, 3, 2, 1)),
    Row("Crop", "crop_param { offset: 1 offset: 2 }", lambda x, z: x[:, :, 1:4, 2:4], ((2, 4, 5, 6), (2, 1, 3, 2))),
    Row("Crop", "crop_param { axis: -3 offset: 1 }", lambda x, z: x[:, 1:3, 1:4, 1:5], ((2, 4, 5, 6), (2, 2, 3, 4))),
    # joins and shapes
    *[Row("Concat", f"concat_param {{ {o} }}", lambda x, z, a=a: np.concatenate([x, z], a), (P, P))
      for o, a in [("", 1), ("axis: 2", 2), ("axis: -1", 3), ("concat_dim: 3", 3)]],
    Row("Slice", "", lambda x: np.split(x, 2, 1), tops=2),
    Row("Slice", "slice_param { axis: -1 slice_point: 1 slice_point: 3 }", lambda x: np.split(x, [1, 3], 3), tops=3),
    Row("Slice", "slice_param { slice_dim: 2 slice_point: 4 }", lambda x: np.split(x, [4], 2), tops=2),
    Row("Eltwise", "", lambda x, y, z: x + y + z, (P, P, P)),
    Row("Eltwise", "eltwise_param { coeff: 1 coeff: -0.5 coeff: 2 }", lambda x, y, z: x - 0.5 * y + 2 * z, (P, P, P)),
    Row("Eltwise", "eltwise_param { operation: PROD }", lambda x, y, z: x * y * z, (P, P, P)),
    Row("Eltwise", "eltwise_param { operation: MAX }", lambda *xs: np.max(xs, 0), (P, P, P)),
    Row("Axpy", "", lambda a, x, z: a * x + z, ((2, 4, 1, 1), P, P)),
    *[Row("Flatten", f"flatten_param {{ {o} }}", lambda x, s=s: x.reshape(s))
      for o, s in [("", (2, 120)), ("axis: 2", (2, 4, 30)), ("axis: 1 end_axis: 2", (2, 20, 6)), ("axis: -3 end_axis: -2", (2, 20, 6))]],
    *[Row("Reshape", f"reshape_param {{ shape {{ {d} }} {o} }}", lambda x, s=s: x.reshape(s))
      for d, o, s in [
          ("dim: 0 dim: -1", "", (2, 120)), ("dim: 0 dim: 2 dim: -1 dim: 6", "", (2, 2, 10, 6)), ("dim: 2 dim: -1", "axis: 1 num_axes: 1", (2, 2, 2, 5, 6)),
          ("dim: 30", "axis: 2", (2, 4, 30)), ("dim: 1", "axis: 4 num_axes: 0", (2, 4, 5, 6, 1)), ("dim: 1", "axis: -1 num_axes: 0", (2, 4, 5, 6, 1)),
          ("dim: -1", "axis: -4 num_axes: 2", (2, 20, 6)), ("", "axis: 1 num_axes: 0", P), ("dim: 0 dim: 0 dim: 0 dim: 3 dim: 2", "", (2, 4, 5, 3, 2)),
      ]],
    Row("Permute", "permute_param { order: 0 order: 3 order: 1 }", lambda x: x.transpose(0, 3, 1, 2)),
    Row("Tile", "tile_param { axis: -2 tiles: 3 }", lambda x: np.tile(x, (1, 1, 3, 1))),
    *[Row("Reduction", f"reduction_param {{ operation: {name} axis: {a} coeff: 0.5 }}", lambda x, f=f, a=a: 0.5 * f(x.reshape(*x.shape[:a], -1)))
      for a in (1, -2)
      for name, f in [("SUM", lambda r: r.sum(-1)), ("ASUM", lambda r: abs(r).sum(-1)), ("SUMSQ", lambda r: (r * r).sum(-1)), ("MEAN", lambda r: r.mean(-1))]],
    Row("ArgMax", "", lambda x: best(x, 1)),
    Row("ArgMax", "argmax_param { top_k: 3 out_max_val: true }", lambda x: best(x, 3, values=True)),
    Row("ArgMax", "argmax_param { top_k: 2 axis: -2 }", lambda x: best(x, 2, 2)),
    Row("ArgMax", "argmax_param { top_k: 2 axis: 1 out_max_val: true }", lambda x: best(x, 2, 1, True)),
    Row("BatchReindex", "", lambda x, i: x[i.astype(int)], (P, (5,)), values={1: [1, 0, 0, 1, 1]}),
    Row("Filter", "", lambda x, z, s: (x[s != 0], z[s != 0]), (P, (2, 3), (2,)), values={2: [0, 3]}, tops=2),
    # normalisation
    Row("BatchNorm", "batch_norm_param { eps: 1e-3 }", lambda x, m, v, f: normalised(x, m / f, abs(v / f), 1e-3), blobs=((4,), (4,), (1,)),
        values={2: [0.5, 1, 2, 3], 3: [2.0]}),
    Row("BatchNorm", "", lambda x, m, v, f: normalised(x, 0 * m, 0 * v, 1e-5), ((2, 4),), ((4,), (4,), (1,)), values={3: [0.0]}),
    Row("BatchNorm", "batch_norm_param { scale_bias: true }", lambda x, m, v, f, a, b: normalised(x, m, v, 1e-5) * channels(a, x) + channels(b, x),
        blobs=((4,), (4,), (1,), (4,), (4,)), values={2: [0.5, 1, 2, 3], 3: [1.0]}),
    Row("BN", "bn_param { bn_mode: INFERENCE }", lambda x, a, b: x * channels(a, x) + channels(b, x), blobs=((1, 4, 1, 1),) * 2),
    Row("BN", "bn_param { eps: 1e-3 }", lambda x, a, b, m, v: normalised(x, m, v, 1e-3) * channels(a, x) + channels(b, x), blobs=((1, 4, 1, 1),) * 4,
        values={4: np.reshape([0.5, 1, 2, 3], (1, 4, 1, 1))}),
    Row("Scale", "scale_param { bias_term: true }", lambda x, a, b: x * channels(a, x) + channels(b, x), blobs=((4,), (4,))),
    Row("Scale", "scale_param { axis: -3 num_axes: 2 }", lambda x, a: x * a[..., None], blobs=((4, 5),)),
    Row("Scale", "scale_param { axis: 2 num_axes: -1 }", lambda x, a: x * a, blobs=((5, 6),)),
    Row("Scale", "scale_param { num_axes: 0 }", lambda x, a: x * a, blobs=((),)),
    Row("Scale", "scale_param { axis: 0 }", lambda x, z: x * z[:, :, None, None], (P, (2, 4))),
    Row("Scale", "scale_param { axis: -4 }", lambda x, z: x * z, (P, P)),
    Row("Bias", "bias_param { axis: 2 num_axes: 2 }", lambda x, b: x + b, blobs=((5, 6),)),
    Row("Bias", "bias_param { axis: 0 }", lambda x, z: x + z[:, :, :, None], (P, (2, 4, 5))),
    *[Row("LRN", f"lrn_param {{ local_size: {n} alpha: 0.7 beta: 0.6 k: 2 }}", lambda x, n=n: across(x, n, 0.7, 0.6, 2)) for n in (1, 3, 5)],
    Row("LRN", "lrn_param { local_size: 3 alpha: 0.7 beta: 0.6 k: 2 norm_region: WITHIN_CHANNEL }", lambda x: within(x, 3, 0.7, 0.6)),
    Row("MVN", "mvn_param { eps: 1e-3 }", lambda x: standard(x, (2, 3), 1e-3)),
    Row("MVN", "mvn_param { across_channels: true }", lambda x: standard(x, (1, 2, 3), 1e-9)),
    Row("MVN", "mvn_param { normalize_variance: false }", lambda x: standard(x, (2, 3), 0, False)),
    Row("MVN", "mvn_param { normalize_variance: false }", lambda x: 0 * x, ((2, 3),)),
    *[Row(kind, f"norm_param {{ across_spatial: {s} channel_shared: {c} }}",
          lambda x, a, axes=axes: x / np.sqrt((x * x).sum(axes, keepdims=True) + 1e-10) * channels(a, x), blobs=((1,) if c == "true" else (4,),))
      for kind in ("Normalize", "NormalizeBBox")
      for s, axes, c in [("true", (1, 2, 3), "true"), ("false", (1,), "false")]],
    # recurrent layers have tests of their own; they and these take the batch first
    Row("LSTMUnit", "", unit, ((2, 1, 3), (2, 1, 12), (2, 1)), values={2: [[1], [0]]}, tops=2),
    # forks
    Row("Interp", "interp_param { height: 7 width: 9 }", lambda x: resized(x, (7, 9))),
    Row("Interp", "interp_param { zoom_factor: 2 }", lambda x: resized(x, (9, 11))),
    Row("Interp", "interp_param { shrink_factor: 2 pad_beg: -1 }", lambda x: resized(x[:, :, 1:, 1:], (2, 3))),
    Row("Interp", "", lambda x, z: resized(x, (7, 3)), (P, (2, 1, 7, 3))),
    Row("Upsample", "upsample_param { scale: 2 }", lambda x: x.repeat(2, 2).repeat(2, 3)),
    Row("ShuffleChannel", "shuffle_channel_param { group: 2 }", lambda x: x[:, [0, 2, 1, 3]]),
    Row("Reorg", "", reorganised, ((2, 4, 4, 6),)),
    Row("ROIPooling", "roi_pooling_param { pooled_h: 2 pooled_w: 3 }", lambda x, z: regions(x, z, 2, 3), (P, (3, 5)), values={1: BOXES}),
    Row("ROIAlign", "roi_align_param { pooled_h: 2 pooled_w: 3 sampling_ratio: 2 }", lambda x, z: between(x, z, 2, 3, 2), (P, (2, 5)),
        values={1: BOXES[:2]}),
    Row("PSROIPooling", "psroi_pooling_param { output_dim: 2 group_size: 3 spatial_scale: 0.5 }", lambda x, z: by_cell(x, z, 3, 0.5),
        ((2, 18, 5, 6), (3, 5)), values={1: BOXES}),
    Row("L2Normalization", "", lambda x: x / np.sqrt((x * x).sum((1, 2, 3), keepdims=True))),
]  # fmt: skip
ELSEWHERE = {"LSTM", "RNN", "Parameter", "PriorBox", "DetectionOutput"}  # here, in test_caffe_recurrent.py and the recorded nets


def test_every_type_has_a_row():
    assert set(table()) == {row.kind for row in ROWS} | ELSEWHERE


@pytest.mark.parametrize("row", ROWS, ids=[f"{i}-{row.kind}" for i, row in enumerate(ROWS)])
def test_layer_is_its_formula(row, tmp_path):
    rng = np.random.default_rng(0)
    arrays = [
        np.asarray(row.values[i] if i in row.values else rng.standard_normal(shape), float)
        for i, shape in enumerate((*row.shapes, *row.blobs))
    ]
    if row.kind == "LSTMUnit":
        text = net(Row(row.kind, row.options, None, ((1, 2, 3), (1, 2, 12), (1, 2)), tops=2))
    else:
        text = net(row)
    inputs, blobs = arrays[: len(row.shapes)], arrays[len(row.shapes) :]
    model = load_caffe(*write(tmp_path, text, blobs))
    made = model({f"x{i}": x.astype(np.float32) for i, x in enumerate(inputs) if f"x{i}" in model.input_names})
    with np.errstate(all="ignore"):
        wanted = row.reference(*inputs, *blobs)
    wanted, made = wanted if isinstance(wanted, tuple | list) else [wanted], made if isinstance(made, list) else [made]
    assert len(wanted) == len(made) == row.tops or row.kind == "Split"
    for ours, reference in zip(made, wanted, strict=True):
        assert ours.shape == np.shape(reference)
        np.testing.assert_allclose(ours, reference, rtol=1e-4, atol=1e-5)


# -- what is more than a formula -------------------------------------------------------------------------------------
PARAMETER = """
layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ dim: 2 dim: 4 dim: 3 }} }} }}
layer {{ name: "held" type: "Parameter" top: "held" parameter_param {{ shape {{ dim: 4 }} }} }}
layer {{ name: "y" type: "{0}" bottom: "x" bottom: "held" top: "y" }}
"""


@pytest.mark.parametrize("kind, function", [("Scale", np.multiply), ("Bias", np.add)])
def test_a_parameter_is_part_of_what_reads_it(kind, function, tmp_path):
    values, x = np.float32([1, 2, 3, 4]), np.float32(np.arange(24).reshape(2, 4, 3))
    model = load_caffe(*write(tmp_path, PARAMETER.format(kind), [values], "held"))
    np.testing.assert_array_equal(model(x), function(x, values[:, None]))
    assert sum(p.value.size for p in model.parameters()) == 4


def test_a_parameter_that_something_else_reads_is_refused(tmp_path):
    (tmp_path / "net.prototxt").write_text(PARAMETER.format("Eltwise"))
    with pytest.raises(UnsupportedError, match="'y' .Eltwise.: reads 'held' of a Parameter layer"):
        load_caffe(tmp_path / "net.prototxt")


def test_axis_0_is_refused_with_all_other_complaints(tmp_path):
    text = net(Row("Softmax", "softmax_param { axis: 0 }", None)) + 'layer { name: "p" type: "Python" bottom: "y0" top: "p" python_param { module: "m" layer: "L" } }'
    (tmp_path / "net.prototxt").write_text(text)
    with pytest.raises(UnsupportedError, match=r"(?s)axis 0 is the batch.*'p' \(Python\): runs code .* \(m.L\).*register_caffe"):
        load_caffe(tmp_path / "net.prototxt")


def test_a_python_layer_with_a_converter_of_ones_own(tmp_path):
    (tmp_path / "net.prototxt").write_text(net(Row("Python", 'python_param { module: "m" layer: "Double" }', None)))
    register_caffe("Python", lambda c: c.apply(__import__("sparkdl").nn.MulConstant(2.0), c.x))
    try:
        x = np.ones(P, np.float32)
        np.testing.assert_array_equal(load_caffe(tmp_path / "net.prototxt")(x), 2 * x)
    finally:
        del table()["Python"]


def test_unknown_fields_warn_wherever_they_stand(tmp_path):
    text = net(Row("Convolution", "convolution_param { num_output: 2 kernel_size: 1 new_field: 3 } new_param { a: 1 }", None))
    (tmp_path / "net.prototxt").write_text(text)
    with pytest.warns(UserWarning, match="'l': unknown fields .*'new_param', 'convolution_param.new_field'"):
        load_caffe(tmp_path / "net.prototxt")


@pytest.mark.parametrize("kind, dtype", [("FLOAT16", "<f2"), ("FLOAT", "<f4"), ("DOUBLE", "<f8")])
def test_raw_blobs(kind, dtype, tmp_path):
    """NVIDIA's fork writes blobs as bytes, half precision among them; so do files made small for OpenCV."""
    values = np.array([0.5, -2, 3, 0.25], dtype)
    held = Message("BlobProto", raw_data_type=kind, raw_data=values.tobytes(), shape=Message("BlobShape", dim=[4]))
    layer = Message("LayerParameter", name="l", type="PReLU", blobs=[held])
    (tmp_path / "w.caffemodel").write_bytes(wire.write(Message("NetParameter", layer=[layer])))
    (tmp_path / "net.prototxt").write_text(net(Row("PReLU", "", None)))
    model = load_caffe(tmp_path / "net.prototxt", tmp_path / "w.caffemodel")
    np.testing.assert_array_equal(model["l"].weight.value, values.astype(np.float32))


def test_weights_that_the_net_itself_holds(tmp_path):
    (tmp_path / "net.prototxt").write_text(net(Row("PReLU", "blobs { data: [1, 2, 3, 4] shape { dim: 4 } }", None)))
    np.testing.assert_array_equal(load_caffe(tmp_path / "net.prototxt")["l"].weight.value, [1, 2, 3, 4])


STATISTICS = 'batch_norm_param { use_global_stats: %s }'


def test_batch_statistics_at_test_when_the_file_asks_for_them(tmp_path):
    files = write(tmp_path, net(Row("BatchNorm", STATISTICS % "false", None)), [np.ones(4), np.ones(4), np.ones(1)])
    with pytest.warns(UserWarning, match="depend on which samples share a batch"):
        model = load_caffe(*files)
    x = np.random.default_rng(0).standard_normal(P).astype(np.float32)
    wanted = normalised(x, x.mean((0, 2, 3)), x.var((0, 2, 3)), 1e-5)
    np.testing.assert_allclose(model(x), wanted, atol=1e-5)


def test_global_statistics_stay_in_training_when_the_file_asks_for_them(tmp_path):
    mean, variance = np.float32([1, 2, 3, 4]), np.float32([0.5, 1, 2, 4])
    text = net(Row("BatchNorm", STATISTICS % "true", None))
    model = load_caffe(*write(tmp_path, text, [mean, variance, np.ones(1)]), "TRAIN")
    x = np.random.default_rng(0).standard_normal(P).astype(np.float32)
    np.testing.assert_allclose(model.train()(x), normalised(x, mean, variance, 1e-5), atol=1e-5)


def test_scores_that_a_loss_makes_can_be_read(tmp_path):
    text = net(Row("SoftmaxWithLoss", "", None, ((2, 4), (2,)), tops=2))
    text += 'layer { name: "half" type: "Power" bottom: "y1" top: "half" power_param { scale: 0.5 } }'
    (tmp_path / "net.prototxt").write_text(text)
    model, x = load_caffe(tmp_path / "net.prototxt"), np.float32([[1, 2, 3, 4], [0, 0, 1, 0]])
    assert model.output_names == ["half"]
    np.testing.assert_allclose(model(x), softmax(x, 1) / 2, rtol=1e-5)


def test_the_state_in_the_file_counts(tmp_path):
    rules = 'layer { name: "s" type: "Power" bottom: "y0" top: "s" power_param { scale: 3 } include { stage: "deploy" min_level: 2 } }'
    (tmp_path / "net.prototxt").write_text('state { level: 2 stage: "deploy" }\n' + net(Row("AbsVal", "", None), rules))
    x = -np.ones(P, np.float32)
    np.testing.assert_array_equal(load_caffe(tmp_path / "net.prototxt")(x), 3 * np.ones(P))


def test_an_open_shape_and_a_layer_of_another_stage_are_named(tmp_path):
    data = 'layer { name: "d" type: "Data" top: "data" %s } layer { name: "ip" type: "InnerProduct" bottom: "data" top: "y" inner_product_param { num_output: 2 } }'
    (tmp_path / "net.prototxt").write_text(data % "")
    with pytest.raises(FormatError, match=r"'ip' .InnerProduct.: .* open are 'data'; give .* inputs=\{'data': \(3, 227, 227\)\}"):
        load_caffe(tmp_path / "net.prototxt")
    assert load_caffe(tmp_path / "net.prototxt", inputs={"data": (4,)})(np.ones((3, 4), np.float32)).shape == (3, 2)
    (tmp_path / "net.prototxt").write_text(data % 'include { stage: "deploy" }')
    with pytest.raises(FormatError, match="no layer before it. Layer 'd' makes it, which the net's rules leave out"):
        load_caffe(tmp_path / "net.prototxt")


def test_wrong_counts_of_sizes_of_dummy_data(tmp_path):
    text = 'layer { name: "d" type: "DummyData" top: "a" top: "b" dummy_data_param { num: 1 num: 1 num: 1 channels: 2 height: 1 width: 1 } }'
    (tmp_path / "net.prototxt").write_text(text + 'layer { name: "l" type: "AbsVal" bottom: "a" top: "y" }')
    with pytest.raises(FormatError, match="once or for each of 2 tops"):
        load_caffe(tmp_path / "net.prototxt")


def test_an_unrolled_lstm_of_units(tmp_path):
    """Steps cut along time, units, and the steps put together again, as Caffe's own LSTM layer is made."""
    text = """
layer { name: "z" type: "Input" top: "z" input_param { shape { dim: 2 dim: 3 dim: 8 } } }
layer { name: "c0" type: "Input" top: "c0" input_param { shape { dim: 1 dim: 3 dim: 2 } } }
layer { name: "cont" type: "Input" top: "cont" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "cut" type: "Slice" bottom: "z" top: "z0" top: "z1" slice_param { axis: 0 } }
layer { name: "flags" type: "Slice" bottom: "cont" top: "k0" top: "k1" slice_param { axis: 0 } }
layer { name: "u0" type: "LSTMUnit" bottom: "c0" bottom: "z0" bottom: "k0" top: "c1" top: "h0" }
layer { name: "u1" type: "LSTMUnit" bottom: "c1" bottom: "z1" bottom: "k1" top: "c2" top: "h1" }
layer { name: "kept" type: "Scale" bottom: "h1" bottom: "k1" top: "kept" scale_param { axis: 0 } }
layer { name: "h" type: "Concat" bottom: "h0" bottom: "kept" top: "h" concat_param { axis: 0 } }
layer { name: "gone" type: "Silence" bottom: "c2" }
"""
    (tmp_path / "net.prototxt").write_text(text)
    rng = np.random.default_rng(0)
    z, c, cont = rng.standard_normal((3, 2, 8)), rng.standard_normal((3, 1, 2)), np.array([[1, 1], [0, 1], [1, 0]])
    c1, h0 = unit(c, z[:, :1], cont[:, :1])
    _, h1 = unit(c1, z[:, 1:], cont[:, 1:])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = load_caffe(tmp_path / "net.prototxt")(*(np.float32(a) for a in (z, c, cont)))
    np.testing.assert_allclose(made, np.concatenate([h0, h1 * cont[:, 1:, None]], 1), rtol=1e-5, atol=1e-6)


SCORES = 'layer {{ name: "ip" type: "AbsVal" bottom: "{0}" top: "ip" }}\n'
TRAINING = [
    'layer { name: "l" type: "NewLoss" bottom: "ip" top: "l" }',
    'layer { name: "l" type: "New" bottom: "ip" bottom: "data" top: "l" loss_weight: 1 }',
    'layer { name: "l" type: "New" bottom: "ip" bottom: "label" top: "l" }',
    'layer { name: "l" type: "Python" bottom: "ip" bottom: "label" top: "l" python_param { module: "m" layer: "L" } loss_weight: 1 }',
    'layer { name: "l" type: "New" bottom: "label" top: "t" } layer { name: "e" type: "EuclideanLoss" bottom: "ip" bottom: "t" top: "e" }',
    'layer { name: "l" type: "New" bottom: "ip" bottom: "label" top: "t" top: "s" } layer { name: "m" type: "OtherLoss" bottom: "ip" bottom: "t" bottom: "s" top: "e" }',
]
LABELLED = net(Row("AbsVal", "", None, ((2, 4), (2,)))).split("layer { name: \"l\"")[0].replace('"x0"', '"data"').replace('"x1"', '"label"')


@pytest.mark.parametrize("layers", TRAINING)
def test_unknown_layers_that_only_training_needs_are_left_out(layers, tmp_path):
    (tmp_path / "net.prototxt").write_text(LABELLED + SCORES.format("data") + layers)
    with pytest.warns(UserWarning, match=r"left out, as only training needs them: 'l' "):
        model = load_caffe(tmp_path / "net.prototxt")
    assert model.output_names == ["ip"] and model.input_names == ["data"]


@pytest.mark.parametrize("layers", [
    'layer { name: "l" type: "New" bottom: "ip" top: "l" }',  # may be the scores
    'layer { name: "l" type: "New" bottom: "ip" top: "t" } layer { name: "e" type: "EuclideanLoss" bottom: "t" bottom: "label" top: "e" }',
    'layer { name: "l" type: "NewLoss" bottom: "ip" top: "t" } layer { name: "e" type: "AbsVal" bottom: "t" top: "e" }',
    'layer { name: "l" type: "New" bottom: "ip" bottom: "label" top: "ip" }',
])  # fmt: skip
def test_unknown_layers_that_may_make_scores_are_refused(layers, tmp_path):
    (tmp_path / "net.prototxt").write_text(LABELLED + SCORES.format("data") + layers)
    with pytest.raises(UnsupportedError, match=r"'l' \(New(Loss)?\): unknown layer type"):
        load_caffe(tmp_path / "net.prototxt")
