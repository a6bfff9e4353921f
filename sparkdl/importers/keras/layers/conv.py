"""Convolutions of all kinds."""

from __future__ import annotations

import numpy as np

from sparkdl import nn
from sparkdl.importers.build import Value
from sparkdl.importers.keras import activations
from sparkdl.importers.keras.convert import Conversion
from sparkdl.importers.keras.layers.core import refuse_activation, with_bias
from sparkdl.importers.keras.layers.local import Grid, local_weight
from sparkdl.importers.keras.spec import LayerSpec
from sparkdl.importers.keras.table import converts
from sparkdl.importers.keras.tensor import Tensor
from sparkdl.nn.layers.same_pad import same_pads


def channels(c: Conversion, x: Tensor) -> Value:
    """The input with channels at axis 1."""
    return x.plain if c.spec.channels_first else x.moved


def result(c: Conversion, value: Value, mask: Value | None = None) -> Tensor:
    """A value with channels at axis 1 as a tensor of the file's layout."""
    return Tensor(value, mask=mask) if c.spec.channels_first else Tensor(moved=value, mask=mask)


def rank_of(spec: LayerSpec) -> int:
    return next(int(ch) for ch in spec.kind if ch.isdigit())


def padded(
    c: Conversion, x: Value, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...],
    value: float = 0.0, half: str = "half",
) -> tuple[Value, tuple[int, ...]]:  # fmt: skip
    """The input with what ``padding`` asks for, as far as it is not left to the layer; and what is left."""
    mode, rank = str(c.spec.get("padding", "valid")).lower(), len(kernel)
    none = (0,) * rank
    if mode == "valid":
        return x, none
    if mode == "causal" and rank == 1:
        return c.apply(nn.Pad((((kernel[0] - 1) * dilation[0], 0),), value), x, suffix="pad"), none
    if mode == "full":
        return x, tuple(d * (k - 1) for k, d in zip(kernel, dilation, strict=True))
    if mode != "same":
        raise c.fail(f"padding is {mode!r}")
    rule = half if c.spec.backend == "theano" and c.spec.version[0] == 1 else "tensorflow"
    sizes = x.shape[1:] if x.shape is not None else (None,) * rank
    if rule == "tensorflow" and all(n is not None or s == 1 for n, s in zip(sizes, stride, strict=True)):
        pads = same_pads([n or 1 << 20 for n in sizes], kernel, stride, dilation)
        if all(a == b for a, b in pads):
            return x, tuple(a for a, _ in pads)
    return c.apply(nn.SamePad(kernel, stride, dilation, value, rule), x, suffix="pad"), none


@converts(
    "Conv1D", "Conv2D", "Conv3D", variables=with_bias("kernel"), refuse=refuse_activation,
    note="valid, same, causal; strides, dilation, groups; Theano's kernels are turned",
)  # fmt: skip
def conv(c: Conversion) -> Tensor:
    rank = rank_of(c.spec)
    filters, groups = c.number("filters"), c.spec.get("groups", 1)
    kernel, stride = c.sizes("kernel_size", rank), c.sizes("strides", rank, 1)
    dilation = c.sizes("dilation_rate", rank, 1)
    x, padding = padded(c, channels(c, c.x), kernel, stride, dilation)
    if x.ndim != rank + 2:
        raise c.fail(f"its input has {x.ndim} axes")
    size = x.size(1)
    if not isinstance(groups, int) or groups < 1 or size % groups or filters % groups or not size:
        raise c.fail(f"{groups} groups do not divide {size} and {filters} channels")

    def make() -> nn.Layer:
        weight = c.weight(0, (*kernel, size // groups, filters))
        bias = c.weight(1, (filters,), 0.0) if c.spec.get("use_bias", True) else None
        layer = getattr(nn, f"Conv{rank}d")(
            size, filters, kernel, stride=stride, padding=padding, dilation=dilation, groups=groups, bias=bias is not None
        )
        layer.weight.value = weight.transpose(rank + 1, rank, *range(rank))
        if bias is not None:
            layer.bias.value = bias
        return layer

    return finish(c, c.apply(c.once(f"conv{padding}", make), x))


def finish(c: Conversion, value: Value) -> Tensor:
    """The activation behind a convolution."""
    return activations.apply(c, c.spec.config.get("activation"), result(c, value), "activation")


def _depthwise(c: Conversion, x: Value, rank: int, index: int, bias: bool) -> tuple[Value, int]:
    """A convolution of each channel by itself; the output and its number of channels."""
    kernel, stride = c.sizes("kernel_size", rank), c.sizes("strides", rank, 1)
    dilation, multiplier = c.sizes("dilation_rate", rank, 1), c.spec.get("depth_multiplier", 1)
    if not isinstance(multiplier, int) or not 1 <= multiplier <= 1 << 16:
        raise c.fail(f"depth_multiplier is {multiplier!r}")
    x, padding = padded(c, x, kernel, stride, dilation)
    size = x.size(1)

    def make() -> nn.Layer:
        weight = c.weight(index, (*kernel, size, multiplier))
        shift = c.weight(index + 1, (size * multiplier,), 0.0) if bias else None
        layer = getattr(nn, f"Conv{rank}d")(
            size, size * multiplier, kernel, stride=stride, padding=padding, dilation=dilation, groups=size, bias=bias
        )
        layer.weight.value = weight.transpose(rank, rank + 1, *range(rank)).reshape(size * multiplier, 1, *kernel)
        if shift is not None:
            layer.bias.value = shift
        return layer

    suffix = "depthwise" if c.spec.kind.startswith("Separable") else ""
    return c.apply(c.once(f"depthwise{padding}", make), x, suffix=suffix), size * multiplier


@converts("DepthwiseConv1D", "DepthwiseConv2D", variables=with_bias("depthwise_kernel"), refuse=refuse_activation)
def depthwise_conv(c: Conversion) -> Tensor:
    return finish(c, _depthwise(c, channels(c, c.x), rank_of(c.spec), 0, c.spec.get("use_bias", True))[0])


@converts(
    "SeparableConv1D", "SeparableConv2D", variables=with_bias("depthwise_kernel", "pointwise_kernel"), refuse=refuse_activation
)
def separable_conv(c: Conversion) -> Tensor:
    rank, filters = rank_of(c.spec), c.number("filters")
    x, size = _depthwise(c, channels(c, c.x), rank, 0, False)

    def make() -> nn.Layer:
        weight = c.weight(1, (*[1] * rank, size, filters))
        bias = c.weight(2, (filters,), 0.0) if c.spec.get("use_bias", True) else None
        layer = getattr(nn, f"Conv{rank}d")(size, filters, 1, bias=bias is not None)
        layer.weight.value = weight.transpose(rank + 1, rank, *range(rank))
        if bias is not None:
            layer.bias.value = bias
        return layer

    return finish(c, c.apply(c.once("pointwise", make), x))


@converts(
    "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose", variables=with_bias("kernel"), refuse=refuse_activation,
    note="valid, same; output_padding, dilation",
)  # fmt: skip
def conv_transpose(c: Conversion) -> Tensor:
    rank, filters = rank_of(c.spec), c.number("filters")
    kernel, stride = c.sizes("kernel_size", rank), c.sizes("strides", rank, 1)
    dilation, x = c.sizes("dilation_rate", rank, 1), channels(c, c.x)
    size, mode = x.size(1), str(c.spec.get("padding", "valid")).lower()
    if mode not in ("valid", "same"):
        raise c.fail(f"padding is {mode!r}")
    extra = None if c.spec.config.get("output_padding") is None else c.sizes("output_padding", rank, least=0)
    cuts = []  # what the whole product loses (or, below 0, gains) in front and behind
    for i, (k, s, d) in enumerate(zip(kernel, stride, dilation, strict=True)):
        reach = d * (k - 1) + 1
        if extra is not None:
            total = 2 * (reach // 2) * (mode == "same") - extra[i]
            before = max(total, 0) // 2
            cuts.append((before, total - before))
        elif mode == "same":
            total = max(reach - s, 0)
            cuts.append((total // 2, reach - s - total // 2))
        else:
            cuts.append((0, min(reach - s, 0)))
    padding = tuple(max(min(a, b), 0) for a, b in cuts)
    left = tuple((p - a, p - b) for p, (a, b) in zip(padding, cuts, strict=True))

    def make() -> nn.Layer:
        weight = c.weight(0, (*kernel, filters, size))
        layer = getattr(nn, f"ConvTranspose{rank}d")(
            size, filters, kernel, stride=stride, padding=padding, dilation=dilation, bias=False
        )
        layer.weight.value = weight.transpose(rank + 1, rank, *range(rank))
        return layer

    y = c.apply(c.once("conv", make), x)
    if any(pair != (0, 0) for pair in left):
        y = c.apply(nn.Pad(left), y, suffix="crop")
    if c.spec.get("use_bias", True):

        def shift() -> nn.Layer:
            layer = nn.ScaleShift((filters,), 1, scale=False)
            layer.bias.value = c.weight(1, (filters,), 0.0)
            return layer

        y = c.apply(c.once("bias", shift), y, suffix="bias")
    return finish(c, y)


@converts(
    "LocallyConnected1D", "LocallyConnected2D", variables=with_bias("kernel"), refuse=refuse_activation,
    note="implementation 1 to 3 (three ways of storing the same weights); valid, same",
)  # fmt: skip
def locally_connected(c: Conversion) -> Tensor:
    rank, filters = rank_of(c.spec), c.number("filters")
    kernel, stride = c.sizes("kernel_size", rank), c.sizes("strides", rank, 1)
    x = channels(c, c.x)
    given = tuple(x.size(i + 2) for i in range(rank))
    pads = same_pads(given, kernel, stride, (1,) * rank) if str(c.spec.get("padding", "valid")) == "same" else [(0, 0)] * rank
    if any(pair != (0, 0) for pair in pads):
        x = c.apply(nn.Pad(tuple(pads)), x, suffix="pad")
    sizes, size = tuple(x.size(i + 2) for i in range(rank)), x.size(1)
    out = tuple((n - k) // s + 1 for n, k, s in zip(sizes, kernel, stride, strict=True))
    if min(out) < 1:
        raise c.fail(f"its window {kernel} does not fit {sizes}")
    grid = Grid(given, out, kernel, stride, tuple(a for a, _ in pads), size, filters, c.spec.channels_first)

    def make() -> nn.Layer:
        layer = getattr(nn, f"LocallyConnected{rank}d")(size, filters, sizes, kernel, stride=stride, bias=c.spec.get("use_bias", True))
        layer.weight.value = local_weight(c, grid)
        if c.spec.get("use_bias", True):
            bias = c.weight(1, (*out, filters), 0.0)
            if c.spec.channels_first:  # Keras reads the same numbers as (filters, *places)
                bias = np.moveaxis(bias.reshape(filters, *out), 0, -1)
            layer.bias.value = bias
        return layer

    return finish(c, c.apply(c.once("local", make), x))
