"""Convolutions, pooling and sums over axes as layers of Caffe."""

from __future__ import annotations

from sparkdl.errors import UnsupportedError
from sparkdl.importers.caffe.message import Message
from sparkdl.importers.caffe.writers import writes
from sparkdl.importers.export import pair


@writes("Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d")
def _conv(w, use, x):
    p, windows = use.layer, use.layer.windows
    transposed = "Transpose" in type(p).__name__
    if any(a != b for a, b in windows.pads) or (transposed and any(pair(p.output_padding, len(windows.kernel)))):
        raise UnsupportedError(f"{use.name!r}: Caffe pads both sides alike, and has no output_padding.")
    parameter = Message(
        "ConvolutionParameter", num_output=p.out_channels, bias_term=p.bias is not None, kernel_size=list(windows.kernel),
        stride=list(windows.stride), pad=[a for a, _ in windows.pads], dilation=list(windows.dilation), group=p.groups,
    )  # fmt: skip
    blobs = [p.weight.value] + ([] if p.bias is None else [p.bias.value])
    return w.layer("Deconvolution" if transposed else "Convolution", x, blobs=blobs, convolution_param=parameter)


def _counts(windows, sizes, way):
    """How many windows Caffe makes: only where there is padding, it drops one that starts behind the picture."""
    made = []
    for n, k, s, (pad, _) in zip(sizes, windows.kernel, windows.stride, windows.pads, strict=True):
        room = n + 2 * pad - k
        count = (-(-room // s) if way == "CEIL" else room // s) + 1
        made.append(count - (any(a for a, _ in windows.pads) and (count - 1) * s >= n + pad))
    return tuple(made)


@writes("MaxPool2d", "AvgPool2d")
def _pool(w, use, x):
    p, windows = use.layer, use.layer.windows
    means = type(p).__name__ == "AvgPool2d"
    if any(d != 1 for d in windows.dilation) or (means and (p.divisor_override is not None or not p.count_include_pad and any(a for a, _ in windows.pads))):
        raise UnsupportedError(f"{use.name!r}: Caffe's pooling has no dilation or divisor, and counts padding.")
    rounds = next((way for way in ("CEIL", "FLOOR") if _counts(windows, use.shape[1:], way) == tuple(use.made[0][1:])), None)
    if rounds is None:
        raise UnsupportedError(
            f"{use.name!r}: Caffe's pooling makes {_counts(windows, use.shape[1:], 'CEIL')} of {use.shape[1:]}, not "
            f"{tuple(use.made[0][1:])}; use a stride of at most the window's size."
        )
    (kernel_h, kernel_w), (stride_h, stride_w), ((pad_h, _), (pad_w, _)) = windows.kernel, windows.stride, windows.pads
    parameter = Message(
        "PoolingParameter", pool="AVE" if means else "MAX", kernel_h=kernel_h, kernel_w=kernel_w, stride_h=stride_h,
        stride_w=stride_w, pad_h=pad_h, pad_w=pad_w,
    )  # fmt: skip
    if rounds == "FLOOR":
        parameter["round_mode"] = rounds
    return w.layer("Pooling", x, pooling_param=parameter)


@writes("ReduceMean", "ReduceMax", "ReduceSum")
def _reduce(w, use, x):
    p, ndim = use.layer, len(use.shape) + 1
    kind, axes = type(p).__name__, tuple(sorted(d % ndim for d in p.dims))
    if axes == (2, 3) and ndim == 4 and kind != "ReduceSum":
        pool = Message("PoolingParameter", pool="AVE" if kind == "ReduceMean" else "MAX", global_pooling=True)
        y = w.layer("Pooling", x, pooling_param=pool)
        return y if p.keepdim else w.layer("Flatten", [y])
    if kind == "ReduceMax" or p.keepdim or axes != tuple(range(axes[0], ndim)):
        raise UnsupportedError(f"{use.name!r}: Caffe reduces all last axes, by sum or mean.")
    return w.layer("Reduction", x, reduction_param=Message("ReductionParameter", operation=kind[6:].upper(), axis=axes[0]))


@writes("LocalResponseNorm")
def _lrn(w, use, x):
    p = use.layer
    if p.size % 2 == 0:
        raise UnsupportedError(f"{use.name!r}: Caffe's LRN has an odd size, not {p.size}.")
    return w.layer("LRN", x, lrn_param=Message("LRNParameter", local_size=int(p.size), alpha=float(p.alpha), beta=float(p.beta), k=float(p.k)))
