"""Pooling and resizing."""

from __future__ import annotations

import numpy as np

from sparkdl import nn
from sparkdl.importers.build import Value
from sparkdl.importers.keras.convert import Conversion
from sparkdl.importers.keras.layers.conv import channels, padded, rank_of, result
from sparkdl.importers.keras.table import converts
from sparkdl.importers.keras.tensor import Tensor


@converts("MaxPooling1D", "MaxPooling2D", "MaxPooling3D", "AveragePooling1D", "AveragePooling2D", "AveragePooling3D",
          note="means leave padding out")  # fmt: skip
def pooling(c: Conversion) -> Tensor:
    rank, largest = rank_of(c.spec), c.spec.kind.startswith("Max")
    kernel = c.sizes("pool_size", rank, 2)
    stride = c.sizes("strides", rank, list(kernel))
    x = channels(c, c.x)
    ones, source = (1,) * rank, x
    x, padding = padded(c, x, kernel, stride, ones, -np.inf if largest else 0.0, half="most")
    if largest:
        return result(c, c.apply(getattr(nn, f"MaxPool{rank}d")(kernel, stride, padding), x))
    y = c.apply(getattr(nn, f"AvgPool{rank}d")(kernel, stride, padding, count_include_pad=False), x)
    if x is not source:
        rule = "most" if c.spec.backend == "theano" and c.spec.version[0] == 1 else "tensorflow"
        y = c.apply(nn.SameMeanCorrection(kernel, stride, rule), y, source, suffix="mean")
    return result(c, y)


@converts(*(f"Global{kind}Pooling{rank}D" for kind in ("Max", "Average") for rank in (1, 2, 3)), note="keepdims; masks count in means over time")
def global_pooling(c: Conversion) -> Tensor:
    rank, x = rank_of(c.spec), c.x
    keep = bool(c.spec.get("keepdims", False))
    if c.spec.kind == "GlobalAveragePooling1D" and x.mask is not None and c.spec.version >= (2, 2):
        steps = c.apply(nn.Permute((2, 1)), x.plain, suffix="steps") if c.spec.channels_first else x.plain
        mean = c.apply(nn.MaskedMean(), steps, x.mask, suffix="mean" if keep else "")
        return Tensor(c.apply(nn.Unsqueeze(2 if c.spec.channels_first else 1), mean) if keep else mean)
    value = channels(c, x)
    if value.ndim != rank + 2:
        raise c.fail(f"its input has {value.ndim} axes")
    dims = tuple(range(2, rank + 2))
    layer = (nn.ReduceMax if "Max" in c.spec.kind else nn.ReduceMean)(dims, keep)
    y = c.apply(layer, value)
    return result(c, y) if keep else Tensor(y)


@converts(*(f"Adaptive{kind}Pooling{rank}D" for kind in ("Max", "Average") for rank in (1, 2, 3)))
def adaptive_pooling(c: Conversion) -> Tensor:
    rank = rank_of(c.spec)
    kind = "Max" if "Max" in c.spec.kind else "Avg"
    return result(c, c.apply(getattr(nn, f"Adaptive{kind}Pool{rank}d")(c.sizes("output_size", rank)), channels(c, c.x)))


@converts("UpSampling1D", "UpSampling2D", "UpSampling3D", note="all interpolations; pictures of Keras before 2.3 nearest only")
def upsampling(c: Conversion) -> Tensor:
    rank, mode = rank_of(c.spec), c.spec.get("interpolation", "nearest")
    size = c.sizes("size", rank, 2, most=1 << 10)
    if mode == "nearest":
        x = channels(c, c.x)
        for axis, times in enumerate(size):
            if times > 1:
                x = c.apply(nn.Repeat(axis + 2, times), x, suffix=f"axis{axis}" if axis < rank - 1 else "")
        return result(c, x) if x is not channels(c, c.x) else c.each(nn.Identity())
    if rank != 2:
        raise c.refuse(f"interpolation {mode!r}")
    if c.spec.version < (2, 3):
        raise c.refuse(f"{mode} interpolation of Keras before 2.3, whose grid differs between TensorFlow versions")
    x = channels(c, c.x)
    if mode == "bilinear":  # the size may be open
        return result(c, c.apply(nn.Upsample(scale_factor=size, mode="bilinear", align_corners=False), x))
    return result(c, resized(c, x, (x.size(2) * size[0], x.size(3) * size[1]), mode))


def resized(c: Conversion, x: Value, size: tuple[int, ...], mode: str) -> Value:
    """Pictures (channels at axis 1) of another size, as tf.image.resize makes them."""
    if len(size) != 2 or not all(isinstance(n, int) and 1 <= n <= 1 << 16 for n in size):
        raise c.fail(f"the new size is {size}")
    if mode == "bilinear":
        return c.apply(nn.Upsample(size=size, mode="bilinear", align_corners=False), x)
    if mode not in nn.Resample.KERNELS:
        raise c.refuse(f"interpolation {mode!r}")
    return c.apply(nn.Resample(size, mode), x)


@converts("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D")
def zero_padding(c: Conversion) -> Tensor:
    return _border(c, "padding", 1)


@converts("Cropping1D", "Cropping2D", "Cropping3D")
def cropping(c: Conversion) -> Tensor:
    return _border(c, "cropping", -1)


def _border(c: Conversion, key: str, sign: int) -> Tensor:
    rank = rank_of(c.spec)
    value = c.spec.get(key, 1)
    if isinstance(value, int):
        value = [[value, value]] * rank
    elif rank == 1 and isinstance(value, list) and all(isinstance(v, int) for v in value):
        value = [value if len(value) == 2 else value * 2]
    pairs = [[v, v] if isinstance(v, int) else v for v in value] if isinstance(value, list) else []
    if len(pairs) != rank or not all(isinstance(p, list) and len(p) == 2 and all(isinstance(n, int) and 0 <= n <= 1 << 16 for n in p) for p in pairs):
        raise c.fail(f"{key} is {c.spec.config.get(key)!r}")
    pads = tuple((sign * a, sign * b) for a, b in pairs)
    if rank == 1 and not c.spec.channels_first:  # (batch, steps, features) has no other layout
        return Tensor(c.apply(nn.Pad((*pads, (0, 0))), c.x.plain))
    return result(c, c.apply(nn.Pad(pads), channels(c, c.x)))
