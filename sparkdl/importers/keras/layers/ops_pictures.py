"""Operations on pictures in a functional model: sizes, windows, colours, borders, patches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sparkdl import nn
from sparkdl.importers.build import Value
from sparkdl.importers.keras.convert import Conversion
from sparkdl.importers.keras.layers.arguments import Arguments
from sparkdl.importers.keras.layers.ops_products import times
from sparkdl.importers.keras.layers.ops_shape import items
from sparkdl.importers.keras.layers.pooling import resized
from sparkdl.importers.keras.layers.preprocessing import smart_crop, with_border
from sparkdl.importers.keras.tensor import Tensor
from sparkdl.nn.layers.same_pad import same_pads

_GREY = (0.2989, 0.587, 0.114)


def _picture(c: Conversion, call: Arguments) -> Value:
    """(batch, channels, height, width)."""
    x = call["images"] if isinstance(call["images"], Tensor) else call.tensor()
    if x.ndim != 4:
        raise c.refuse(f"pictures of {x.ndim} axes")
    return x.plain if c.spec.channels_first else x.moved


def _made(c: Conversion, y: Value) -> Tensor:
    return Tensor(y) if c.spec.channels_first else Tensor(moved=y)


def _grey(c: Conversion, kind: str) -> Tensor:
    return _made(c, times(c, _picture(c, Arguments(c, "x1")), np.array(_GREY, np.float32)[:, None], "nchw,cd->ndhw"))


def _borders(c: Conversion, kind: str) -> Tensor:
    """Pictures cut, or with a border of zeros; of three sizes that fit together one may be left out."""
    word, sign = ("cropping", -1) if kind == "CropImages" else ("padding", 1)
    call = Arguments(c, "x1", f"top_{word}", f"left_{word}", f"bottom_{word}", f"right_{word}", "target_height", "target_width")
    x = _picture(c, call)
    pads = []
    for first, second, wanted, n in (("top", "bottom", "target_height", x.size(2)), ("left", "right", "target_width", x.size(3))):
        before, after = call[f"{first}_{word}"], call[f"{second}_{word}"]
        total = None if call[wanted] is None else sign * (call[wanted] - n)
        if before is None:
            before = 0 if total is None or after is None else total - after
        if after is None:
            after = 0 if total is None else total - before
        pads.append((sign * before, sign * after))
    return _made(c, c.apply(nn.Pad(((0, 0), *pads)), x))


def _patches(c: Conversion, kind: str) -> Tensor:
    """Windows as rows of (place in the window, channel)."""
    call = Arguments(c, "x1", "size", "strides", "dilation_rate", "padding")
    x = _picture(c, call)
    size = (items(call["size"]) * 2)[:2]
    stride = (items(call["strides"]) * 2)[:2] if call["strides"] is not None else size
    dilation = (items(call["dilation_rate"] if call["dilation_rate"] is not None else 1) * 2)[:2]
    if str(call["padding"] or "valid").lower() == "same":
        pads = same_pads([x.size(2), x.size(3)], size, stride, dilation)
        x = c.apply(nn.Pad(((0, 0), *[tuple(p) for p in pads])), x, suffix="pad")
    channels = x.size(1)
    y = c.apply(nn.Im2col(tuple(size), tuple(stride), (0, 0), tuple(dilation)), x, suffix="columns")
    h, w = y.size(2), y.size(3)
    y = c.apply(nn.Reshape((channels, size[0] * size[1], h, w)), y, suffix="windows")
    y = c.apply(nn.Permute((2, 1, 3, 4)), y, suffix="turned")
    return _made(c, c.apply(nn.Reshape((channels * size[0] * size[1], h, w)), y))


def _blur(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1", "kernel_size", "sigma")
    x = _picture(c, call)
    size = (items(call["kernel_size"] if call["kernel_size"] is not None else 3) * 2)[:2]
    sigma = (items(call["sigma"] if call["sigma"] is not None else 1.0) * 2)[:2]
    if size[0] != size[1] or size[0] % 2 == 0:
        raise c.refuse(f"a window of {size}; odd squares are known")
    bells = []
    for n, s in zip(size, sigma, strict=True):
        bell = np.exp(-0.5 * ((np.arange(n) - (n - 1) / 2) / float(s)) ** 2)
        bells.append(bell / bell.sum())
    channels, half = x.size(1), size[0] // 2
    layer = nn.Conv2d(channels, channels, size[0], padding=half, groups=channels, bias=False)
    layer.weight.value = np.broadcast_to(np.outer(bells[1], bells[0]).astype(np.float32), layer.weight.shape)
    layer.freeze()
    return _made(c, c.apply(layer, x))


def _resize(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1", "size")
    x = call.tensor() if isinstance(call["x1"], Tensor) else call.tensor("images")
    mode = call["interpolation"] or call["method"] or "bilinear"
    if call["antialias"] or call["preserve_aspect_ratio"]:
        raise c.refuse("anti-aliasing or TensorFlow's keeping of the aspect ratio")
    size, value = tuple(items(call["size"])), x.plain if c.spec.channels_first else x.moved
    if call["crop_to_aspect_ratio"]:
        y = smart_crop(c, value, size, str(mode))
    else:
        y = resized(c, with_border(c, value, size) if call["pad_to_aspect_ratio"] else value, size, str(mode))
    return Tensor(y) if c.spec.channels_first else Tensor(moved=y)


def _blocks(c: Conversion, kind: str) -> Tensor:
    """TensorFlow's order of channels: place within the block, then channel."""
    call = Arguments(c, "x1", "block_size")
    x, r = call.tensor().plain, call["block_size"]
    h, w, channels = x.sizes()
    if kind == "DepthToSpace":
        y = c.apply(nn.Reshape((h, w, r, r, channels // (r * r))), x, suffix="blocks")
        y = c.apply(nn.Permute((1, 3, 2, 4, 5)), y, suffix="turn")
        return Tensor(c.apply(nn.Reshape((h * r, w * r, channels // (r * r))), y))
    y = c.apply(nn.Reshape((h // r, r, w // r, r, channels)), x, suffix="blocks")
    y = c.apply(nn.Permute((1, 3, 2, 4, 5)), y, suffix="turn")
    return Tensor(c.apply(nn.Reshape((h // r, w // r, r * r * channels)), y))


def _pool(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1", "pool_size", "strides", "padding")
    x = call.tensor().moved
    rank = x.ndim - 2

    def each(value: Any) -> tuple[int, ...]:
        sizes = items(value)
        sizes = sizes[1:-1] if len(sizes) == rank + 2 else sizes  # TensorFlow may name all axes
        return tuple(sizes * rank if len(sizes) == 1 else sizes)

    kernel = each(call["pool_size"] if call["pool_size"] is not None else call["ksize"])
    stride = each(call["strides"]) if call["strides"] is not None else kernel
    padding = (0,) * rank
    if str(call["padding"] or "valid").lower() == "same":
        pads = same_pads([x.size(i + 2) for i in range(rank)], kernel, stride, (1,) * rank)
        if any(a != b for a, b in pads) and kind == "MaxPool":
            x = c.apply(nn.Pad(((0, 0), *[tuple(p) for p in pads]), -np.inf), x, suffix="pad")
        elif any(a != b for a, b in pads):
            raise c.refuse("means with padding of unequal sides; use a pooling layer")
        else:
            padding = tuple(a for a, _ in pads)
    if kind == "MaxPool":
        return Tensor(moved=c.apply(getattr(nn, f"MaxPool{rank}d")(kernel, stride, padding), x))
    return Tensor(moved=c.apply(getattr(nn, f"AvgPool{rank}d")(kernel, stride, padding, count_include_pad=False), x))


def _adaptive(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1", "output_size")
    x = call.tensor()
    value = x.plain if c.spec.channels_first else x.moved
    rank = x.ndim - 2
    size = tuple((items(call["output_size"]) * rank)[:rank])
    layer = getattr(nn, f"Adaptive{'Max' if 'Max' in kind else 'Avg'}Pool{rank}d")(size)
    return _made(c, c.apply(layer, value))


KINDS: dict[str, Callable[[Conversion, str], Any]] = {
    "RGBToGrayscale": _grey, "CropImages": _borders, "PadImages": _borders, "ExtractPatches": _patches,
    "GaussianBlur": _blur, "Resize": _resize, "DepthToSpace": _blocks, "SpaceToDepth": _blocks, "MaxPool": _pool, "AveragePool": _pool,
    "AdaptiveAveragePool": _adaptive, "AdaptiveMaxPool": _adaptive,
}  # fmt: skip
