"""Preprocessing layers for numbers and pictures."""

from __future__ import annotations

import numpy as np

from sparkdl import nn
from sparkdl.importers.build import Value
from sparkdl.importers.keras.convert import Conversion
from sparkdl.importers.keras.layers.conv import channels, result
from sparkdl.importers.keras.layers.pooling import resized
from sparkdl.importers.keras.spec import LayerSpec
from sparkdl.importers.keras.table import converts
from sparkdl.importers.keras.tensor import Tensor

_RANDOM = (
    "RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation", "RandomContrast", "RandomBrightness", "RandomHeight",
    "RandomWidth", "RandomShear", "RandomColorJitter", "RandomHue", "RandomSaturation", "RandomSharpness",
    "RandomGaussianBlur", "RandomErasing", "RandomGrayscale", "RandomInvert", "RandomPosterization", "RandomPerspective",
    "RandomElasticTransform", "RandomColorDegeneration", "AugMix", "CutMix", "MixUp", "RandAugment",
)  # fmt: skip


@converts(*_RANDOM, note="as at inference: nothing; use sparkdl.data's transforms to train")
def random(c: Conversion) -> Tensor:
    return c.each(nn.Identity())


@converts("Resizing", note="all interpolations; crop_to_aspect_ratio, pad_to_aspect_ratio")
def resizing(c: Conversion) -> Tensor:
    size, mode = _wanted(c), str(c.spec.get("interpolation", "bilinear")).lower()
    x = channels(c, c.x)
    if c.spec.get("crop_to_aspect_ratio", False):
        return result(c, _smart(c, x, size, mode))
    if c.spec.get("pad_to_aspect_ratio", False):
        x = _padded(c, x, size)
    return result(c, resized(c, x, size, mode))


def _wanted(c: Conversion) -> tuple[int, int]:
    return c.number("height", most=1 << 16), c.number("width", most=1 << 16)


def _cut(c: Conversion, x: Value, size: tuple[int, int]) -> Value:
    """The middle of pictures; what is too large by an odd number loses one more behind."""
    gone = [x.size(axis) - n for axis, n in zip((2, 3), size, strict=True)]
    return c.apply(nn.Pad(tuple((-(n // 2), -(n - n // 2)) for n in gone)), x, suffix="cut") if any(gone) else x


def _smart(c: Conversion, x: Value, size: tuple[int, int], mode: str = "bilinear") -> Value:
    """The largest middle part of the wanted shape, resized."""
    (h, w), (high, wide) = (x.size(2), x.size(3)), size
    part = min(h, int(np.float32(w * high) / np.float32(wide))), min(w, int(np.float32(h * wide) / np.float32(high)))
    return resized(c, _cut(c, x, part), size, mode)


def _padded(c: Conversion, x: Value, size: tuple[int, int]) -> Value:
    """Pictures with a border that gives them the wanted shape."""
    (h, w), (high, wide) = (x.size(2), x.size(3)), size
    more = max(h, int(w * high / wide)) - h, max(w, int(h * wide / high)) - w
    if c.spec.get("fill_mode", "constant") != "constant":
        raise c.refuse(f"fill_mode {c.spec['fill_mode']!r}")
    pads = tuple((n // 2, n // 2) for n in more)
    return c.apply(nn.Pad(pads, float(c.spec.get("fill_value", 0.0))), x, suffix="pad") if any(more) else x


@converts("CenterCrop", note="the middle; of pictures that are too small, the middle resized")
def center_crop(c: Conversion) -> Tensor:
    x, size = channels(c, c.x), _wanted(c)
    small = x.size(2) < size[0] or x.size(3) < size[1]
    return result(c, _smart(c, x, size) if small else _cut(c, x, size))


@converts("RandomCrop", note="as at inference: the middle of the wanted shape, resized; from Keras 3 on nothing")
def random_crop(c: Conversion) -> Tensor:
    if c.spec.version[0] >= 3:
        return c.each(nn.Identity())
    return result(c, _smart(c, channels(c, c.x), _wanted(c)))


def _boundaries(spec: LayerSpec) -> bool:
    return bool(spec.get("bin_boundaries"))


@converts("Discretization", note="bin_boundaries, given or adapted; all output modes of numbers",
          variables=lambda spec: [] if _boundaries(spec) or spec.version[0] >= 3 else ["summary!"],
          refuse=lambda spec: None if spec.get("output_mode", "int") in ("int", "one_hot", "multi_hot", "count") else "this output_mode")  # fmt: skip
def discretization(c: Conversion) -> Tensor:
    if not _boundaries(c.spec):
        raise c.refuse("the boundaries that it was adapted to are not in its config; give them as bin_boundaries")
    bounds = tuple(float(b) for b in c.spec["bin_boundaries"])
    mode = c.spec.get("output_mode", "int")
    bins = c.apply(nn.Bins(bounds), c.x.plain, suffix="" if mode == "int" else "bins")
    return Tensor(bins if mode == "int" else c.apply(nn.CountCategories(len(bounds) + 1, mode), bins))


@converts("CategoryEncoding", note="one_hot, multi_hot, count")
def category_encoding(c: Conversion) -> Tensor:
    mode = c.spec.get("output_mode", "multi_hot")
    if mode not in ("one_hot", "multi_hot", "count"):
        raise c.fail(f"output_mode is {mode!r}")
    count = c.number("num_tokens", most=1 << 24)
    return Tensor(c.apply(nn.CountCategories(count, mode), c.x.plain))
