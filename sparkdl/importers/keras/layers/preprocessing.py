"""Preprocessing layers for numbers and pictures."""

from __future__ import annotations

from sparkdl import nn
from sparkdl.importers.keras.convert import Conversion
from sparkdl.importers.keras.layers.conv import channels, result
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


@converts("Resizing", note="bilinear and nearest, half-pixel centres")
def resizing(c: Conversion) -> Tensor:
    size, mode = (c.number("height", most=1 << 16), c.number("width", most=1 << 16)), c.spec.get("interpolation", "bilinear")
    if mode not in ("bilinear", "nearest") or c.spec.get("crop_to_aspect_ratio", False) or c.spec.get("pad_to_aspect_ratio", False):
        raise c.refuse(f"interpolation {mode!r}, or keeping the aspect ratio")
    layer = nn.Upsample(size=size, mode=mode, align_corners=False) if mode == "bilinear" else nn.Upsample(size=size, mode=mode)
    return result(c, c.apply(layer, channels(c, c.x)))


@converts("CenterCrop", "RandomCrop", note="the middle; pictures that are too small are refused")
def center_crop(c: Conversion) -> Tensor:
    x = channels(c, c.x)
    pads = []
    for axis, key in ((2, "height"), (3, "width")):
        n, wanted = x.size(axis), c.number(key, most=1 << 16)
        if wanted > n:
            raise c.refuse(f"pictures of {n} are smaller than the crop of {wanted}")
        before = (n - wanted) // 2
        pads.append((-before, -(n - wanted - before)))
    return result(c, c.apply(nn.Pad(tuple(pads)), x))


@converts("Discretization", note="bin_boundaries, output_mode int", refuse=lambda spec: None if spec.get("bin_boundaries") and spec.get("output_mode", "int") == "int" else "without bin_boundaries in the config, or another output_mode than int")
def discretization(c: Conversion) -> Tensor:
    return Tensor(c.apply(nn.Bins(tuple(float(b) for b in c.spec["bin_boundaries"])), c.x.plain))


@converts("CategoryEncoding", note="one_hot, multi_hot, count")
def category_encoding(c: Conversion) -> Tensor:
    mode = c.spec.get("output_mode", "multi_hot")
    if mode not in ("one_hot", "multi_hot", "count"):
        raise c.fail(f"output_mode is {mode!r}")
    count = c.number("num_tokens", most=1 << 24)
    return Tensor(c.apply(nn.CountCategories(count, mode), c.x.plain))
