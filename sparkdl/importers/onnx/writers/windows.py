"""Convolutions, pooling, padding, resizing."""

from __future__ import annotations

import numpy as np

from sparkdl.errors import UnsupportedError
from sparkdl.importers.export import pair
from sparkdl.importers.onnx.writers import writes
from sparkdl.nn.layers.same_pad import same_pads


def edges(pads):
    return [a for a, _ in pads] + [b for _, b in pads]


@writes("Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d")
def _conv(w, use, x):
    p, transposed = use.layer, "Transpose" in type(use.layer).__name__
    inputs = [x[0], w.array(p.weight.value)] + ([] if p.bias is None else [w.array(p.bias.value)])
    windows, rank = p.windows, len(use.shape) - 1
    more = {"output_padding": list(pair(p.output_padding, rank))} if transposed else {}
    return w.node(
        "ConvTranspose" if transposed else "Conv", inputs, kernel_shape=list(windows.kernel), strides=list(windows.stride),
        dilations=list(windows.dilation), group=p.groups, pads=edges(windows.pads), **more,
    )  # fmt: skip


@writes("MaxPool1d", "MaxPool2d", "MaxPool3d", "AvgPool1d", "AvgPool2d", "AvgPool3d")
def _pool(w, use, x):
    p, windows = use.layer, use.layer.windows
    common = {"kernel_shape": list(windows.kernel), "strides": list(windows.stride), "pads": edges(windows.pads), "ceil_mode": int(p.ceil_mode)}
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


@writes("Pad", "SamePad", "ZeroPad1d", "ZeroPad2d", "ZeroPad3d")
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


@writes("SameMeanCorrection")
def _mean_correction(w, use, x):
    p, factor = use.layer, np.ones(())
    sizes = use.shapes[1][1:]
    pads = same_pads(sizes, p.kernel_size, p.stride, (1,) * len(sizes), p.rule)
    for n, out, k, s, (a, _) in zip(sizes, use.shape[1:], p.kernel_size, p.stride, pads, strict=True):
        first = np.arange(out) * s - a
        factor = factor[..., None] * (k / np.maximum(np.minimum(first + k, n) - np.maximum(first, 0), 1))
    return w.node("Mul", [x[0], w.array(factor[None, None])])


@writes("Upsample")
def _upsample(w, use, x):
    p = use.layer
    places = list(zip(use.made[0][1:], use.shape[1:], strict=True))
    factors = np.broadcast_to(p.scale_factor, len(places)) if p.size is None else [_scale(m, n) for m, n in places]
    scales = w.array([1.0, 1.0, *factors])
    how = "align_corners" if p.align_corners else "half_pixel"
    if p.mode == "nearest":
        return w.node("Resize", [x[0], "", scales], mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    if p.mode == "bicubic":
        return w.node("Resize", [x[0], "", scales], mode="cubic", cubic_coeff_a=-0.75, coordinate_transformation_mode=how)
    return w.node("Resize", [x[0], "", scales], mode="linear", coordinate_transformation_mode=how)


def _scale(m: int, n: int) -> np.float32:
    """The smallest float32 from ``m / n`` on that gives ``m`` places, since runtimes round ``n * scale`` down."""
    scale = np.float32(m / n)
    while int(np.float32(n) * scale) < m:
        scale = np.nextafter(scale, np.float32(np.inf))
    return scale
