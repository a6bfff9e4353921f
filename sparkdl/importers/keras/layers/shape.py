"""Other shapes of the same values."""

from __future__ import annotations

import numpy as np

from sparkdl import nn
from sparkdl.importers.keras.convert import Conversion
from sparkdl.importers.keras.table import converts
from sparkdl.importers.keras.tensor import Tensor


@converts("Flatten", note="in the order that the file's version and layout mean")
def flatten(c: Conversion) -> Tensor:
    x = c.x
    if x.ndim == 2:
        return c.each(nn.Identity())
    if x.ndim < 2:
        return Tensor(c.apply(nn.Reshape((1,)), x.plain))
    if c.spec.channels_first:  # only where the file says so: then Keras puts channels last first
        return Tensor(c.apply(nn.Flatten(), Tensor(moved=x.plain).plain))
    return Tensor(c.apply(nn.Flatten(), x.plain))


@converts("Reshape")
def reshape(c: Conversion) -> Tensor:
    shape = c.spec.get("target_shape", [])
    if isinstance(shape, dict):
        shape = shape.get("items", [])
    if isinstance(shape, int):
        shape = [shape]
    if not all(n is None or isinstance(n, int) and -1 <= n <= 1 << 40 for n in shape):
        raise c.fail(f"target_shape is {shape!r}")
    return Tensor(c.apply(nn.Reshape(tuple(-1 if n is None else n for n in shape)), c.x.plain))


@converts("Permute")
def permute(c: Conversion) -> Tensor:
    dims = c.spec.get("dims", [])
    if isinstance(dims, dict):
        dims = dims.get("items", [])
    return Tensor(c.apply(nn.Permute(tuple(int(d) for d in dims)), c.x.plain))


@converts("RepeatVector")
def repeat_vector(c: Conversion) -> Tensor:
    times = c.number("n", most=1 << 20)
    x = c.apply(nn.Reshape((1, c.x.size(-1))), c.x.plain, suffix="reshape")
    return Tensor(c.apply(nn.Tile(1, times), x))


@converts("Rescaling", note="scale and offset, numbers or one per channel")
def rescaling(c: Conversion) -> Tensor:
    scale, offset = (np.asarray(c.spec.get(key, default), np.float32) for key, default in (("scale", 1.0), ("offset", 0.0)))
    if scale.ndim > 1 or offset.ndim > 1:
        raise c.fail("scale and offset are numbers, or one per channel")

    def plain(array: np.ndarray) -> object:
        return float(array) if array.ndim == 0 else array

    if scale.ndim == offset.ndim == 0:
        return c.each(nn.AddConstant(float(offset)), c.each(nn.MulConstant(float(scale)), suffix="scale"))
    y = c.apply(nn.MulConstant(plain(scale)), c.x.plain, suffix="scale")
    return Tensor(c.apply(nn.AddConstant(plain(offset)), y))
