"""Joins and shapes as layers of Caffe."""

from __future__ import annotations

import numpy as np

from sparkdl.errors import UnsupportedError
from sparkdl.importers.caffe.message import Message
from sparkdl.importers.caffe.writers import writes


@writes("Add", "Mul", "Maximum", "Sub")
def _eltwise(w, use, x):
    kind = type(use.layer).__name__
    if len(set(use.shapes)) > 1:
        raise UnsupportedError(f"{use.name!r}: Caffe's Eltwise does not stretch axes, got shapes {use.shapes}.")
    parameter = Message("EltwiseParameter", operation={"Add": "SUM", "Sub": "SUM", "Mul": "PROD", "Maximum": "MAX"}[kind])
    if kind == "Sub":
        parameter["coeff"] = [1.0, -1.0]
    return w.layer("Eltwise", x, eltwise_param=parameter) if len(x) > 1 else x[0]


@writes("Concat")
def _concat(w, use, x):
    return w.layer("Concat", x, concat_param=Message("ConcatParameter", axis=use.layer.dim % (len(use.shape) + 1)))


@writes("Split")
def _split(w, use, x):
    axis = use.layer.dim % (len(use.shape) + 1)
    sizes = [s[axis - 1] for s in use.made]
    points = [int(n) for n in np.cumsum(sizes)[:-1]]
    made = w.layer("Slice", x, tops=len(sizes), slice_param=Message("SliceParameter", axis=axis, slice_point=points))
    return made if isinstance(made, list) else [made]


@writes("Flatten")
def _flatten(w, use, x):
    p, ndim = use.layer, len(use.shape) + 1
    return w.layer("Flatten", x, flatten_param=Message("FlattenParameter", axis=p.start_dim % ndim, end_axis=p.end_dim % ndim))


@writes("Reshape", "Squeeze", "Unsqueeze")
def _reshape(w, use, x):
    shape = Message("BlobShape", dim=[0, *(int(n) for n in use.made[0])])
    return w.layer("Reshape", x, reshape_param=Message("ReshapeParameter", shape=shape))


@writes("Permute")
def _permute(w, use, x):
    return w.layer("Permute", x, permute_param=Message("PermuteParameter", order=[0, *use.layer.dims]))


@writes("Tile")
def _tile(w, use, x):
    axis = use.layer.dim % (len(use.shape) + 1)
    return w.layer("Tile", x, tile_param=Message("TileParameter", axis=axis, tiles=use.layer.times))


@writes("CropLike")
def _crop(w, use, x):
    return w.layer("Crop", x, crop_param=Message("CropParameter", axis=use.layer.dim, offset=list(use.layer.offsets)))


@writes("Take")
def _shuffle(w, use, x):
    places, n = use.layer.places, use.shape[0]
    each = places[1] if len(places) > 1 else 1
    if use.layer.dim % (len(use.shape) + 1) != 1 or each < 1 or n % each or places != tuple(np.arange(n).reshape(-1, each).T.flat):
        raise UnsupportedError(f"{use.name!r}: of chosen entries Caffe's forks have only the shuffle of channels.")
    return w.layer("ShuffleChannel", x, shuffle_channel_param=Message("ShuffleChannelParameter", group=n // each))
