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
    "RandomElasticTransform", "RandomColorDegeneration", "AugMix", "CutMix", "MixUp", "RandAugment", "Solarization",
)  # fmt: skip


@converts(*_RANDOM, note="as at inference: nothing; use sparkdl.data's transforms to train")
def random(c: Conversion) -> Tensor:
    return c.each(nn.Identity())


@converts("Resizing", note="all interpolations; crop_to_aspect_ratio, pad_to_aspect_ratio")
def resizing(c: Conversion) -> Tensor:
    size, mode = _wanted(c), str(c.spec.get("interpolation", "bilinear")).lower()
    x = channels(c, c.x)
    if c.spec.get("crop_to_aspect_ratio", False):
        return result(c, smart_crop(c, x, size, mode))
    if c.spec.get("pad_to_aspect_ratio", False):
        x = with_border(c, x, size)
    return result(c, resized(c, x, size, mode))


def _wanted(c: Conversion) -> tuple[int, int]:
    return c.number("height", most=1 << 16), c.number("width", most=1 << 16)


def _cut(c: Conversion, x: Value, size: tuple[int, int]) -> Value:
    """The middle of pictures; what is too large by an odd number loses one more behind."""
    gone = [x.size(axis) - n for axis, n in zip((2, 3), size, strict=True)]
    return c.apply(nn.Pad(tuple((-(n // 2), -(n - n // 2)) for n in gone)), x, suffix="cut") if any(gone) else x


def smart_crop(c: Conversion, x: Value, size: tuple[int, int], mode: str = "bilinear") -> Value:
    """The largest middle part of the wanted shape, resized."""
    (h, w), (high, wide) = (x.size(2), x.size(3)), size
    part = min(h, int(np.float32(w * high) / np.float32(wide))), min(w, int(np.float32(h * wide) / np.float32(high)))
    return resized(c, _cut(c, x, part), size, mode)


def with_border(c: Conversion, x: Value, size: tuple[int, int]) -> Value:
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
    return result(c, smart_crop(c, x, size) if small else _cut(c, x, size))


@converts("RandomCrop", note="as at inference: the middle of the wanted shape, resized; from Keras 3 on nothing")
def random_crop(c: Conversion) -> Tensor:
    if c.spec.version[0] >= 3:
        return c.each(nn.Identity())
    return result(c, smart_crop(c, channels(c, c.x), _wanted(c)))


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
    x = c.x.plain
    if id(x.node) in c.net.whole:  # Keras cuts what it is given to whole numbers
        x = c.apply(nn.Function("trunc"), x, suffix="whole")
    bins = c.apply(nn.Bins(bounds), x, suffix="" if mode == "int" else "bins")
    return Tensor(bins if mode == "int" else c.apply(nn.CountCategories(len(bounds) + 1, mode), bins))


@converts("CategoryEncoding", note="one_hot, multi_hot, count; count_weights")
def category_encoding(c: Conversion) -> Tensor:
    mode = c.spec.get("output_mode", "multi_hot")
    if mode not in ("one_hot", "multi_hot", "count"):
        raise c.fail(f"output_mode is {mode!r}")
    count = c.number("num_tokens", most=1 << 24)
    weights = c.kwargs.get("count_weights", c.args[1] if len(c.args) > 1 else None)
    if not isinstance(weights, Tensor):
        return Tensor(c.apply(nn.CountCategories(count, mode), c.x.plain))
    column = c.apply(nn.Unsqueeze(c.x.ndim), c.x.plain, suffix="column")
    hot = c.apply(nn.CountCategories(count, "one_hot"), column, suffix="one_hot")
    weighed = c.apply(nn.Mul(), hot, c.apply(nn.Unsqueeze(c.x.ndim), weights.plain, suffix="weights"), suffix="weighed")
    return Tensor(c.apply(nn.ReduceSum((c.x.ndim - 1,)), weighed))


def _adapted(spec: LayerSpec) -> str | None:
    if not isinstance(spec.get("vocabulary"), list):
        return "the vocabulary that it was adapted to is not in its config; give it as vocabulary"
    hashed = int(spec.get("num_oov_indices", 1)) > 1 and (spec.get("oov_method") == "farmhash" or spec.get("salt") is not None)
    return "unknown numbers are hashed as strings" if hashed else None


@converts("IntegerLookup", refuse=_adapted, note="a vocabulary in the config; all output modes, invert")
def integer_lookup(c: Conversion) -> Tensor:
    mode, mask, unknown = c.spec.get("output_mode", "int"), c.spec.get("mask_token"), c.spec.get("oov_token", -1)
    others = int(c.spec.get("num_oov_indices", 1))
    front = [mask] * (mask is not None and mode == "int") + [unknown] * others
    words = [int(n) for n in c.spec["vocabulary"]]
    words = words[len(front) :] if front and words[: len(front)] == front else words
    places = range(len(front), len(front) + len(words))
    if c.spec.get("invert", False):
        keys, values = [*range(len(front) - others), *places], [*front[: len(front) - others], *words]
        return Tensor(c.apply(nn.Lookup(tuple(keys), tuple(values), 1, float(unknown)), c.x.plain))
    first = len(front) - others
    masked = [] if mask is None else [mask]
    table = nn.Lookup((*masked, *words), (*[0] * len(masked), *places), others, float(first))
    found = c.apply(table, c.x.plain, suffix="" if mode == "int" else "places")
    if mode == "int":
        return Tensor(found)
    depth = int(c.spec.get("max_tokens", 0)) if c.spec.get("pad_to_max_tokens", False) else len(front) + len(words)
    hot = c.apply(nn.CountCategories(depth, "count" if mode == "tf_idf" else mode), found, suffix="count" if mode == "tf_idf" else "")
    if mode != "tf_idf":
        return Tensor(hot)
    idf = np.asarray(c.spec.get("idf_weights", []), np.float32)
    if idf.shape != (len(words),):
        raise c.refuse("the idf_weights that it was adapted to are not in its config")
    idf = np.concatenate([np.full(len(front), idf.mean()), idf, np.zeros(depth - len(front) - len(words))])
    return Tensor(c.apply(nn.MulConstant(idf.astype(np.float32)), hot))


@converts("Hashing", note="of whole numbers; salt, mask_value; all output modes",
          refuse=lambda spec: None if not isinstance(spec.get("mask_value"), str) else "its mask_value is a string")  # fmt: skip
def hashing(c: Conversion) -> Tensor:
    bins, salt, mask = c.number("num_bins", most=1 << 31), c.spec.get("salt"), c.spec.get("mask_value")
    salt = [salt, salt] if isinstance(salt, int) else salt
    if salt is not None and (not isinstance(salt, list) or len(salt) != 2 or not all(isinstance(n, int) for n in salt)):
        raise c.fail(f"salt is {str(salt)[:60]}")
    layer = nn.Hashes(bins, None if salt is None else (salt[0], salt[1]), None if mask is None else float(mask))
    return _binned(c, layer, [c.x.plain], bins)


@converts("HashedCrossing", note="of whole numbers; all output modes")
def hashed_crossing(c: Conversion) -> Tensor:
    bins = c.number("num_bins", most=1 << 31)
    return _binned(c, nn.CrossedHashes(bins), [t.plain for t in c.inputs], bins)


def _binned(c: Conversion, layer: nn.Layer, values: list[Value], bins: int) -> Tensor:
    mode = c.spec.get("output_mode", "int")
    if mode not in ("int", "one_hot", "multi_hot", "count"):
        raise c.fail(f"output_mode is {str(mode)[:60]!r}")
    found = c.apply(layer, *values, suffix="" if mode == "int" else "bins")
    return Tensor(found if mode == "int" else c.apply(nn.CountCategories(c.number("num_bins", most=1 << 24), mode), found))


@converts("AutoContrast", note="each channel stretched over the range of values")
def auto_contrast(c: Conversion) -> Tensor:
    low, high = (float(n) for n in c.spec.get("value_range", (0, 255)))
    x = channels(c, c.x)
    x = c.apply(nn.Power(1.0, scale=255 / (high - low), shift=-255 * low / (high - low)), x, suffix="range")
    least, most = (c.apply(layer((2, 3), True), x, suffix=name) for layer, name in ((nn.ReduceMin, "least"), (nn.ReduceMax, "most")))
    spread = c.apply(nn.Sub(), most, least, suffix="spread")
    flat = c.apply(nn.AddConstant(1.0), c.apply(nn.Negative(), c.apply(nn.BinaryThreshold(0.0), spread, suffix="varies"), suffix="minus"), suffix="flat")
    # a channel of one value stays: it is divided by 1, and its least value is taken for 0
    safe = c.apply(nn.Add(), spread, c.apply(nn.MulConstant(255.0), flat, suffix="whole"), suffix="safe")
    kept = c.apply(nn.Mul(), least, c.apply(nn.BinaryThreshold(0.0), spread, suffix="some"), suffix="kept")
    share = c.apply(nn.Div(), c.apply(nn.Sub(), x, kept, suffix="above"), safe, suffix="share")
    y = c.apply(nn.Clamp(0.0, 255.0), c.apply(nn.MulConstant(255.0), share, suffix="stretched"), suffix="bounded")
    return result(c, c.apply(nn.Power(1.0, scale=(high - low) / 255, shift=low), y))
