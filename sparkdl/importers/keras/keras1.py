"""Layers of Keras 1 under their newest names and fields."""

from __future__ import annotations

from typing import Any

NAMES = {
    "Convolution1D": "Conv1D", "Convolution2D": "Conv2D", "Convolution3D": "Conv3D", "AtrousConvolution1D": "Conv1D",
    "AtrousConvolution2D": "Conv2D", "AtrousConv1D": "Conv1D", "AtrousConv2D": "Conv2D", "Deconvolution2D": "Conv2DTranspose",
    "Deconv2D": "Conv2DTranspose", "SeparableConvolution2D": "SeparableConv2D", "TimeDistributedDense": "TimeDistributedDense",
    "Merge": "Merge",
}  # fmt: skip

_COMMON = {"init": "kernel_initializer", "W_regularizer": "kernel_regularizer", "b_regularizer": "bias_regularizer",
           "U_regularizer": "recurrent_regularizer", "bias": "use_bias", "border_mode": "padding", "subsample": "strides",
           "inner_activation": "recurrent_activation", "dropout_W": "dropout", "dropout_U": "recurrent_dropout"}  # fmt: skip
_DENSE = {"Dense", "TimeDistributedDense", "Highway", "MaxoutDense", "LSTM", "GRU", "SimpleRNN"}
_SPATIAL = {"ZeroPadding2D", "UpSampling2D", "Cropping2D", "ZeroPadding3D", "UpSampling3D", "Cropping3D"}


def upgrade(kind: str, old: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The newest class name and config of a Keras 1 layer."""
    new = {_COMMON.get(key, key): value for key, value in old.items()}
    newest = NAMES.get(kind, kind)
    if "dim_ordering" in new:
        ordering = new.pop("dim_ordering")
        new["data_format"] = {"th": "channels_first", "tf": "channels_last"}.get(ordering)
    if kind in _DENSE and "output_dim" in new:
        new["units"] = new.pop("output_dim")
    if "nb_filter" in new:
        new["filters"] = new.pop("nb_filter")
    if "nb_row" in new:
        new["kernel_size"] = [new.pop("nb_row"), new.pop("nb_col")]
    if "filter_length" in new:
        new["kernel_size"] = [new.pop("filter_length")]
        new["strides"] = [new.pop("subsample_length", 1)]
    if "kernel_dim1" in new:
        new["kernel_size"] = [new.pop(f"kernel_dim{i}") for i in (1, 2, 3)]
    if "atrous_rate" in new:
        rate = new.pop("atrous_rate")
        new["dilation_rate"] = rate if isinstance(rate, list) else [rate]
    if "pool_length" in new:
        new["pool_size"] = [new.pop("pool_length")]
        new["strides"] = [new.pop("stride")] if new.get("stride") else None
    if kind == "UpSampling1D" and "length" in new:
        new["size"] = new.pop("length")
    for before, after, kinds in (
        ("p", "rate", ("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "GaussianDropout")),
        ("sigma", "stddev", ("GaussianNoise",)),
    ):
        if kind in kinds and before in new:
            new[after] = new.pop(before)
    if kind == "BatchNormalization":
        new.setdefault("center", True)
        new.setdefault("scale", True)
    if kind == "ZeroPadding2D" and isinstance(new.get("padding"), dict):
        p = new["padding"]
        new["padding"] = [p.get(f"{side}_pad", 0) for side in ("top", "bottom", "left", "right")]
    if kind in ("ZeroPadding2D", "ZeroPadding3D", "Cropping2D", "Cropping3D"):
        for key in ("padding", "cropping"):
            if isinstance(new.get(key), list):
                new[key] = _pairs(new[key], int(kind[-2]))
    if kind in _SPATIAL:
        new.setdefault("data_format", None)
    if kind == "ZeroPadding1D" and isinstance(new.get("padding"), dict):
        new["padding"] = [new["padding"].get("left_pad", 0), new["padding"].get("right_pad", 0)]
    return newest, new


def _pairs(values: list[Any], rank: int) -> list[Any]:
    """``[h, w]``, ``[top, bottom, left, right]`` or pairs, as pairs."""
    if rank == 2 and len(values) == 4 and all(isinstance(v, int) for v in values):
        return [values[:2], values[2:]]
    return [v if isinstance(v, list) else [v, v] for v in values]


MERGES = {"sum": "Add", "mul": "Multiply", "ave": "Average", "max": "Maximum", "concat": "Concatenate", "dot": "Dot", "cos": "Dot"}


def merge(config: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """The newest class for a ``Merge`` layer; None for a mode that is a function."""
    mode = config.get("mode", "sum")
    if mode not in MERGES or config.get("mode_type", "raw") != "raw":
        return None
    new = {"name": config.get("name"), "trainable": config.get("trainable", True)}
    if mode == "concat":
        new["axis"] = config.get("concat_axis", -1)
    if mode in ("dot", "cos"):
        axes = config.get("dot_axes", -1)
        new["axes"], new["normalize"] = axes, mode == "cos"
        new["keras1"] = True
    return MERGES[mode], new
