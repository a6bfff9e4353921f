"""Dense layers, convolutions, pooling, normalising over the batch."""

from __future__ import annotations

import numpy as np

from sparkdl.errors import UnsupportedError
from sparkdl.importers.keras.writers import writes
from sparkdl.importers.keras.writers.common import bordered, turned
from sparkdl.importers.keras.writers.graph import Value


@writes("Linear")
def _linear(w, use, x):
    p = use.layer
    arrays = [p.weight.value.T] + ([] if p.bias is None else [p.bias.value])
    config = {"units": p.out_features, "activation": "linear", "use_bias": p.bias is not None}
    return Value(w, plain=w.add("Dense", [x[0].plain], use.made[0], config, arrays))


@writes("Embedding")
def _embedding(w, use, x):
    p = use.layer
    config = {"input_dim": p.num_embeddings, "output_dim": p.embedding_dim, "mask_zero": False}
    return Value(w, plain=w.add("Embedding", [x[0].plain], use.made[0], config, [p.weight.value]))


@writes("Conv1d", "Conv2d", "Conv3d")
def _conv(w, use, x):
    p, windows = use.layer, use.layer.windows
    rank = len(windows.kernel)
    if any(s > 1 for s in windows.stride) and any(d > 1 for d in windows.dilation):
        raise UnsupportedError(f"{use.name!r}: Keras has no convolution with both stride and dilation.")
    source = bordered(w, use, x[0], windows.pads)
    common = {"kernel_size": list(windows.kernel), "strides": list(windows.stride), "dilation_rate": list(windows.dilation),
              "padding": "valid", "data_format": "channels_last", "activation": "linear", "use_bias": p.bias is not None}  # fmt: skip
    kernel = p.weight.value.transpose(*range(2, 2 + rank), 1, 0)
    bias = [] if p.bias is None else [p.bias.value]
    out = turned(use.made[0])
    if p.groups == p.in_channels > 1 and rank < 3 and p.out_channels % p.groups == 0:
        multiplier = p.out_channels // p.groups
        depthwise = kernel.reshape(*windows.kernel, p.in_channels, multiplier)
        made = w.add(f"DepthwiseConv{rank}D", [source], out, {**common, "depth_multiplier": multiplier}, [depthwise, *bias])
    else:
        made = w.add(f"Conv{rank}D", [source], out, {**common, "filters": p.out_channels, "groups": p.groups}, [kernel, *bias])
    return Value(w, last=made)


@writes("ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d")
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
        made = w.add(f"Cropping{rank}D", [made], turned(use.made[0]), {"cropping": crop, "data_format": "channels_last"})
    return Value(w, last=made)


@writes("MaxPool1d", "MaxPool2d", "MaxPool3d", "AvgPool1d", "AvgPool2d", "AvgPool3d")
def _pool(w, use, x):
    p, windows = use.layer, use.layer.windows
    rank, largest = len(windows.kernel), type(p).__name__.startswith("Max")
    padded = any(a or b for a, b in windows.pads)
    exact = [(n + a + b - k) // s + 1 for n, (a, b), k, s in zip(use.shape[1:], windows.pads, windows.kernel, windows.stride, strict=True)]
    if padded and (largest or not p.count_include_pad) or exact != list(use.made[0][1:]):
        raise UnsupportedError(f"{use.name!r}: Keras's pooling has neither this padding nor sizes rounded up.")
    if any(d != 1 for d in windows.dilation) or getattr(p, "divisor_override", None) is not None:
        raise UnsupportedError(f"{use.name!r}: Keras's pooling has no dilation and no divisor.")
    config = {"pool_size": list(windows.kernel), "strides": list(windows.stride), "padding": "valid", "data_format": "channels_last"}
    source = bordered(w, use, x[0], windows.pads)
    return Value(w, last=w.add(f"{'Max' if largest else 'Average'}Pooling{rank}D", [source], turned(use.made[0]), config))


@writes("ReduceMean", "ReduceMax")
def _global_pool(w, use, x):
    p, rank = use.layer, len(use.shape) - 1
    if tuple(sorted(d % (rank + 2) for d in p.dims)) != tuple(range(2, rank + 2)) or not 1 <= rank <= 3:
        raise UnsupportedError(f"{use.name!r}: Keras has layers for reductions over all places only.")
    kind = f"Global{'Average' if type(p).__name__ == 'ReduceMean' else 'Max'}Pooling{rank}D"
    made = w.add(kind, [x[0].last], turned(use.made[0]) if p.keepdim else use.made[0], {"keepdims": bool(p.keepdim), "data_format": "channels_last"})
    return Value(w, last=made) if p.keepdim else Value(w, plain=made)


@writes("BatchNorm1d", "BatchNorm2d", "BatchNorm3d")
def _batch_norm(w, use, x):
    p = use.layer
    if not p.track_running_stats:
        raise UnsupportedError(f"{use.name!r}: it keeps no running statistics to write down.")
    affine = [] if p.weight is None else [p.weight.value, p.bias.value]
    config = {"axis": -1, "epsilon": float(p.eps), "momentum": 1 - float(p.momentum or 0.01), "center": bool(affine), "scale": bool(affine)}
    arrays = [*affine, p.running_mean, p.running_var]
    if len(use.shape) == 1:
        return Value(w, plain=w.add("BatchNormalization", [x[0].plain], use.made[0], config, arrays))
    return Value(w, last=w.add("BatchNormalization", [x[0].last], turned(use.made[0]), config, arrays))


@writes("ScaleShift")
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
        return Value(w, plain=w.add("BatchNormalization", [x[0].plain], use.made[0], config, arrays))
    return Value(w, last=w.add("BatchNormalization", [x[0].last], turned(use.made[0]), config, arrays))


@writes("AxisNorm")
def _axis_norm(w, use, x):
    p = use.layer
    if not p.centre:
        raise UnsupportedError(f"{use.name!r}: RMS normalisation is not written.")
    arrays = [a.value for a in (p.weight, p.bias) if a is not None]
    config = {"axis": list(p.dims), "epsilon": float(p.eps), "center": p.bias is not None, "scale": p.weight is not None}
    return Value(w, plain=w.add("LayerNormalization", [x[0].plain], use.made[0], config, arrays))
