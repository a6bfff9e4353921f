"""Layers of several inputs."""

from __future__ import annotations

from functools import reduce

from sparkdl import nn
from sparkdl.importers.build import Value
from sparkdl.importers.keras.convert import Conversion
from sparkdl.importers.keras.table import converts
from sparkdl.importers.keras.tensor import Tensor


def aligned(c: Conversion, inputs: list[Tensor]) -> tuple[list[Value], bool]:
    """The inputs in one layout and with as many axes each (new ones of size 1 behind the batch), and whether it is channels-first."""
    ranks = {t.ndim for t in inputs}
    most = max(ranks)
    if len(ranks) == 1 and most > 2 and all(t.is_moved for t in inputs):
        return [t.moved for t in inputs], True
    values = []
    for i, t in enumerate(inputs):
        value = t.plain
        if value.ndim < most:
            value = c.apply(nn.Reshape((*[1] * (most - value.ndim), *value.sizes())), value, suffix=f"axes{i}")
        values.append(value)
    return values, False


def joined_mask(c: Conversion, inputs: list[Tensor]) -> Value | None:
    """The mask of what joins ``inputs``: until Keras 2 steps that all masks keep, from Keras 3 on those that any keeps."""
    masks = [t.mask for t in inputs if t.mask is not None]
    old = c.spec.version[0] < 3
    if not masks or (len(masks) < len(inputs) and not old):
        return None
    kind = nn.Mul if old else nn.Maximum
    return reduce(lambda a, b: c.apply(kind(), a, b, suffix="mask"), masks)


def _ones_where_masked(c: Conversion, t: Tensor, name: str) -> Tensor:
    """Keras 3 multiplies by 1 at steps that do not count."""
    if t.mask is None:
        return t
    outside = c.apply(nn.AddConstant(1.0), c.apply(nn.MulConstant(-1.0), t.mask, suffix=f"{name}/minus"), suffix=f"{name}/outside")
    for axis in range(2, t.ndim):
        outside = c.apply(nn.Unsqueeze(axis), outside, suffix=f"{name}/axis{axis}")
    kept = c.apply(nn.MaskSteps(), t.plain, t.mask, suffix=f"{name}/kept")
    return Tensor(c.apply(nn.Add(), kept, outside, suffix=f"{name}/ones"), mask=t.mask)


@converts("Add", "Subtract", "Multiply", "Maximum", "Minimum", "Average", note="inputs of size 1 along an axis are stretched")
def elementwise(c: Conversion) -> Tensor:
    if len(c.inputs) < (1 if c.spec.version[0] == 1 else 2):
        raise c.fail(f"it has {len(c.inputs)} inputs")
    inputs, mask = c.inputs, joined_mask(c, c.inputs)
    product = c.spec.kind == "Multiply" and c.spec.version[0] >= 3 and any(t.mask is not None for t in inputs)
    if product:
        inputs = [_ones_where_masked(c, t, f"input{i}") for i, t in enumerate(inputs)]
    values, moved = aligned(c, inputs)
    kind = {"Subtract": "Sub", "Multiply": "Mul", "Average": "Add"}.get(c.spec.kind, c.spec.kind)
    if c.spec.kind == "Subtract" and len(values) != 2:
        raise c.fail(f"it has {len(values)} inputs")
    y = c.apply(getattr(nn, kind)(), *values, suffix="sum" if c.spec.kind == "Average" else "")
    if c.spec.kind == "Average":
        y = c.apply(nn.MulConstant(1 / len(values)), y)
    if product and mask is not None:
        y = c.apply(nn.MaskSteps(), y, mask, suffix="masked")
    return Tensor(moved=y, mask=mask) if moved else Tensor(y, mask=mask)


@converts("Concatenate", note="any axis but the batch")
def concatenate(c: Conversion) -> Tensor:
    if not c.inputs:
        raise c.fail("it has no inputs")
    ndim, axis = c.inputs[0].ndim, c.spec.get("axis", -1)
    if any(t.ndim != ndim for t in c.inputs) or not isinstance(axis, int) or not -ndim <= axis < ndim:
        raise c.fail(f"axis {axis} of inputs with {[t.ndim for t in c.inputs]} axes")
    if axis % ndim == 0:
        raise c.refuse("it joins along axis 0, which is the batch")
    axis %= ndim
    mask = joined_mask(c, c.inputs)
    if axis == 1 and any(t.mask is not None for t in c.inputs):
        masks = [t.mask if t.mask is not None else _all_count(c, t, f"input{i}") for i, t in enumerate(c.inputs)]
        mask = c.apply(nn.Concat(1), *masks, suffix="masks")
    if axis == ndim - 1 and ndim > 2 and all(t.is_moved for t in c.inputs):
        return Tensor(moved=c.apply(nn.Concat(1), *[t.moved for t in c.inputs]), mask=mask)
    return Tensor(c.apply(nn.Concat(axis), *[t.plain for t in c.inputs]), mask=mask)


def _all_count(c: Conversion, t: Tensor, name: str) -> Value:
    """A mask that keeps all steps."""
    zeros = c.apply(nn.MulConstant(0.0), t.plain, suffix=f"{name}/zeros")
    if t.ndim > 2:
        zeros = c.apply(nn.ReduceSum(tuple(range(2, t.ndim))), zeros, suffix=f"{name}/steps")
    return c.apply(nn.AddConstant(1.0), zeros, suffix=f"{name}/mask")


@converts("Dot", note="axes, normalize; also Keras 1's dot and cos modes")
def dot(c: Conversion) -> Tensor:
    if len(c.inputs) != 2:
        raise c.fail(f"it has {len(c.inputs)} inputs")
    a, b = (t.plain for t in c.inputs)
    axes = c.spec.get("axes", -1)
    if isinstance(axes, dict):
        axes = axes.get("items", [])
    pair = [axes, axes] if isinstance(axes, int) else [x[0] if isinstance(x, list) else x for x in axes]
    if len(pair) != 2 or not all(isinstance(x, int) for x in pair):
        raise c.fail(f"axes are {axes!r}")
    first, second = pair[0] % a.ndim, pair[1] % b.ndim
    if first == 0 or second == 0:
        raise c.refuse("it multiplies along axis 0, which is the batch")
    if c.spec.get("normalize", False):
        a = c.apply(nn.L2Normalize((first,), eps=1e-12), a, suffix="norm0")
        b = c.apply(nn.L2Normalize((second,), eps=1e-12), b, suffix="norm1")
    y = _dot_of(c, a, b, first, second)
    cosine = c.spec.get("keras1", False) and c.spec.get("normalize", False)
    return Tensor(c.apply(nn.Unsqueeze(1), y, suffix="axis") if cosine else y)


def _dot_of(c: Conversion, a: Value, b: Value, first: int, second: int) -> Value:
    if a.ndim == b.ndim == 2:
        product = c.apply(nn.Mul(), a, b, suffix="product")
        return c.apply(nn.ReduceSum((1,), keepdim=True), product)
    # all other axes of a, the joined one; the joined one, all other axes of b
    rest_a = [i for i in range(1, a.ndim) if i != first]
    rest_b = [i for i in range(1, b.ndim) if i != second]
    sizes_a, sizes_b = [a.size(i) for i in rest_a], [b.size(i) for i in rest_b]
    joined = a.size(first)
    a = _turned(c, a, (*rest_a, first), "turn0")
    b = _turned(c, b, (second, *rest_b), "turn1")
    if len(rest_a) != 1:
        a = c.apply(nn.Reshape((-1 if rest_a else 1, joined)), a, suffix="rows")
    if len(rest_b) != 1:
        b = c.apply(nn.Reshape((joined, -1 if rest_b else 1)), b, suffix="columns")
    y = c.apply(nn.MatMul(), a, b, suffix="product" if len(rest_a) + len(rest_b) != 2 else "")
    wanted = (*sizes_a, *sizes_b)
    if len(wanted) != 2 or not (rest_a and rest_b):
        y = c.apply(nn.Reshape(wanted or (1,)), y)
    return y


def _turned(c: Conversion, x: Value, axes: tuple[int, ...], suffix: str) -> Value:
    return x if axes == tuple(range(1, x.ndim)) else c.apply(nn.Permute(axes), x, suffix=suffix)
