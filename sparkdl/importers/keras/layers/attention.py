"""Attention."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

from sparkdl import nn
from sparkdl.importers.build import Value
from sparkdl.importers.keras import activations
from sparkdl.importers.keras.convert import Conversion
from sparkdl.importers.keras.layers.core import refuse_activation
from sparkdl.importers.keras.spec import LayerSpec
from sparkdl.importers.keras.table import converts
from sparkdl.importers.keras.tensor import Tensor


@converts("Projection", variables=lambda spec: ["kernel", *(["bias"] if spec.get("use_bias", True) else [])], note="inside MultiHeadAttention")
def projection(c: Conversion) -> Tensor:
    """A Linear of a kernel whose axes are (in ..., out ...), the first ``inner`` of them in."""
    inner, shape = c.spec["inner"], tuple(c.spec["shape"])
    rows, columns = int(np.prod(shape[:inner])), int(np.prod(shape[inner:]))

    def make() -> nn.Linear:
        bias = c.spec.get("use_bias", True)
        layer = nn.Linear(rows, columns, bias=bias)
        layer.weight.value = c.weight(0, shape).reshape(rows, columns).T
        if bias:
            layer.bias.value = c.weight(1, shape[inner:], 0.0).reshape(columns)
        return layer

    return Tensor(c.apply(c.once("linear", make), c.x.plain))


@converts("MultiHeadAttention", "GroupedQueryAttention", "GroupQueryAttention",
          note="masks, use_causal_mask, return_attention_scores; any attention_axes; gates; sliding windows")  # fmt: skip
def multi_head(c: Conversion) -> Any:
    grouped = c.spec.kind != "MultiHeadAttention"
    tensors = _arguments(c, ("query", "value", "key"))
    query, value = tensors["query"], tensors["value"]
    key = tensors.get("key") or value
    heads = c.number("num_query_heads" if grouped else "num_heads", most=1 << 16)
    groups = c.number("num_key_value_heads", most=1 << 16) if grouped else heads
    width = c.number("head_dim" if grouped else "key_dim")
    deep = width if grouped or not c.spec.get("value_dim") else c.number("value_dim")
    out = c.spec.get("output_shape") or query.size(-1)
    out = out[0] if isinstance(out, list) and len(out) == 1 else out
    if not isinstance(out, int) or heads % groups:
        raise c.fail(f"output_shape is {out!r}, with {heads} heads in {groups} groups")
    shapes = {
        "query_dense": (1, (query.size(-1), heads, width)), "key_dense": (1, (key.size(-1), groups, width)),
        "value_dense": (1, (value.size(-1), groups, deep)), "output_dense": (2, (heads, deep, out)),
        "gate_dense": (1, (query.size(-1), heads, deep)),
    }  # fmt: skip
    axes = _attention_axes(c, query)

    def part(name: str, x: Value) -> Value:
        spec = c.spec.children[name]
        spec.config["inner"], spec.config["shape"] = shapes[name]
        return c.net.call(spec, [Tensor(x)], {}, f"{c.name}/{name}")[0].plain

    def split(x: Value, n: int, size: int, name: str) -> Value:
        """(batch, heads, places, size), with further axes in front of the heads where not all are attended over."""
        inner = x.sizes()[:-2] if x.ndim > 3 else ()
        x = c.apply(nn.Reshape((*inner, -1, n, size)), x, suffix=f"{name}_heads")
        k = len(inner)
        x = c.apply(nn.Permute((*range(1, k + 1), k + 2, k + 1, k + 3)), x, suffix=f"{name}_turn")
        return x if n == heads else c.apply(nn.Repeat(k + 1, heads // n), x, suffix=f"{name}_groups")

    asking = _joined(c, query, axes, "query")
    q = split(part("query_dense", asking), heads, width, "query")
    k = split(part("key_dense", _joined(c, key, axes, "key")), groups, width, "key")
    v = split(part("value_dense", _joined(c, value, axes, "value")), groups, deep, "value")
    q = c.apply(nn.MulConstant(1 / sqrt(width)), q, suffix="scale")
    scores = c.apply(nn.MatMul(transpose_b=True), q, k, suffix="scores")
    asked = bool(c.kwargs.get("return_attention_scores"))
    window = None if c.spec.config.get("sliding_window") is None else c.number("sliding_window")
    masked = window is not None or any(t.mask is not None for t in tensors.values()) or tensors.get("attention_mask")
    if query.ndim > 3 and (asked or masked):
        raise c.refuse("masks or returned scores with more than one axis beside batch and features")
    masks, given = _masks_of(c, tensors, query, value), tensors.get("attention_mask")
    weights = c.apply(nn.Softmax(scores.ndim - 1), _masked(c, scores, masks, given, window), suffix="softmax")
    if c.spec.version[0] >= 3 and (asked or c.spec.get("dropout", 0) > 0):
        # what Keras 3 then goes through gives queries that see nothing no weights; elsewhere theirs are all alike
        weights = _masked(c, weights, masks, given, window, 0.0)
    y = c.apply(nn.MatMul(), weights, v, suffix="mix")
    n = y.ndim - 4  # axes that are not attended over
    y = c.apply(nn.Permute((*range(1, n + 1), n + 2, n + 1, n + 3)), y, suffix="turn")
    inner = y.sizes()[:n]
    y = c.apply(nn.Reshape((*inner, -1, heads * deep)), y, suffix="join")
    if c.spec.config.get("use_gate"):
        y = c.apply(nn.Mul(), y, c.apply(nn.Sigmoid(), part("gate_dense", asking), suffix="gate"), suffix="gated")
    y = part("output_dense", y)
    made = Tensor(_parted(c, y, query, axes), mask=query.mask)
    return [made, Tensor(weights)] if asked else made


def _attention_axes(c: Conversion, query: Tensor) -> tuple[int, ...]:
    """The axes that are attended over; all but batch and features if the file does not say."""
    given = c.spec.config.get("attention_axes")
    given = [given] if isinstance(given, int) else given or list(range(1, query.ndim - 1))
    axes = tuple(sorted({a % query.ndim for a in given}))
    if not axes or 0 in axes or query.ndim - 1 in axes:
        raise c.fail(f"attention_axes are {given}")
    return axes


def _joined(c: Conversion, x: Tensor, axes: tuple[int, ...], name: str) -> Value:
    """(batch, other axes, places, features): the axes that are attended over become one, behind the others."""
    if x.ndim == 3:
        return x.plain
    order = [i for i in range(1, x.ndim - 1) if i not in axes] + list(axes)
    sizes = x.plain.sizes()
    y = x.plain
    if order != sorted(order):
        y = c.apply(nn.Permute((*order, x.ndim - 1)), y, suffix=f"{name}_order")
    kept = [sizes[i - 1] for i in order[: len(order) - len(axes)]]
    return c.apply(nn.Reshape((*kept, -1, sizes[-1])), y, suffix=f"{name}_join")


def _parted(c: Conversion, y: Value, query: Tensor, axes: tuple[int, ...]) -> Value:
    """Undoes ``_joined`` for the output."""
    if query.ndim == 3:
        return y
    order = [i for i in range(1, query.ndim - 1) if i not in axes] + list(axes)
    sizes = query.plain.sizes()
    y = c.apply(nn.Reshape((*(sizes[i - 1] for i in order), y.sizes()[-1])), y, suffix="parts")
    if order == sorted(order):
        return y
    return c.apply(nn.Permute((*(order.index(i) + 1 for i in range(1, query.ndim - 1)), query.ndim - 1)), y, suffix="order")


def _arguments(c: Conversion, names: tuple[str, ...]) -> dict[str, Tensor]:
    """Tensors of a call by name, whether they were given by position or by keyword."""
    given = [a for a in c.args if isinstance(a, Tensor)] or list(c.inputs)
    found = dict(zip(names, given, strict=False))
    found.update({k: v for k, v in c.kwargs.items() if isinstance(v, Tensor)})
    for name in names[:2]:
        if name not in found:
            raise c.fail(f"its call names no {name}")
    return found


def _masks_of(c: Conversion, tensors: dict[str, Tensor], query: Tensor, value: Tensor) -> list[Value]:
    """Masks of the inputs: before tf.keras 2.10 multi-head attention did not look at them."""
    if c.spec.version < (2, 10):
        return []
    masks = [t.mask for t in (value, tensors.get("key")) if t is not None and t.mask is not None]
    if query.mask is not None:
        rows = c.apply(nn.Unsqueeze(2), query.mask, suffix="query_mask")
        masks.append(c.apply(nn.Tile(2, value.size(1)), rows, suffix="query_rows"))
    return masks


def _masked(
    c: Conversion, scores: Value, masks: list[Value], given: Tensor | None = None, window: int | None = None, fill: float = -1e9
) -> Value:
    causal = bool(c.kwargs.get("use_causal_mask", False) or c.spec.get("causal", False))
    masks = [*masks, *([given.plain] if given is not None else [])]
    if not masks and not causal and window is None:
        return scores
    return c.apply(nn.MaskScores(causal, window, fill), scores, *masks, suffix="mask" if fill else "seen")


def _attention_variables(spec: LayerSpec) -> list[str]:
    scale = spec.get("use_scale", spec.kind == "AdditiveAttention")
    concat = spec.kind == "Attention" and spec.get("score_mode", "dot") == "concat"
    return (["scale"] if scale else []) + (["concat_score_weight"] if concat else [])


@converts("Attention", "AdditiveAttention", variables=_attention_variables, note="dot, concat and additive scores; masks and causality",
          refuse=lambda spec: None if spec.get("score_mode", "dot") in ("dot", "concat") else f"score_mode {spec['score_mode']!r}")  # fmt: skip
def attention(c: Conversion) -> Any:
    inputs = c.inputs
    if len(inputs) not in (2, 3):
        raise c.fail(f"it has {len(inputs)} inputs")
    query, value = inputs[:2]
    key = inputs[2] if len(inputs) == 3 else value
    names = _attention_variables(c.spec)
    concat = "concat_score_weight" in names
    if c.spec.kind == "Attention" and not concat:
        scores = c.apply(nn.MatMul(transpose_b=True), query.plain, key.plain, suffix="scores")
        if names:
            scores = c.apply(c.once("scale", lambda: _scale(c, 0, ())), scores, suffix="scale")
    else:
        q = c.apply(nn.Unsqueeze(2), query.plain, suffix="query")
        k = c.apply(nn.Unsqueeze(1), key.plain, suffix="key")
        scores = c.apply(nn.Add(), q, k, suffix="sum")
        if concat and len(names) == 2:
            scores = c.apply(c.once("scale", lambda: _scale(c, 0, ())), scores, suffix="scale")
        scores = c.apply(nn.Tanh(), scores, suffix="tanh")
        if not concat and names:
            scores = c.apply(c.once("scale", lambda: _scale(c, 0, (query.size(-1),))), scores, suffix="scale")
        scores = c.apply(nn.ReduceSum((3,)), scores, suffix="scores")
        if concat:
            scores = c.apply(c.once("weight", lambda: _scale(c, len(names) - 1, ())), scores, suffix="weight")
    scores = _masked(c, scores, [] if value.mask is None else [value.mask])
    weights = c.apply(nn.Softmax(2), scores, suffix="softmax")
    made = c.apply(nn.MatMul(), weights, value.plain, suffix="mix" if query.mask is not None else "")
    if query.mask is not None:
        made = c.apply(nn.MaskSteps(), made, query.mask)
    y = Tensor(made, mask=query.mask)
    return [y, Tensor(weights)] if c.kwargs.get("return_attention_scores") else y


def _scale(c: Conversion, index: int, shape: tuple[int, ...]) -> nn.Layer:
    layer = nn.ScaleShift(shape, -1 if shape else 1, shift=False)
    layer.weight.value = c.weight(index, shape, 1.0).reshape(layer.weight.shape)
    return layer


def _einsum_variables(spec: LayerSpec) -> list[str]:
    return ["kernel", *(["bias"] if spec.config.get("bias_axes") else [])]


@converts("EinsumDense", variables=_einsum_variables, refuse=refuse_activation, note="equations that keep the batch in front")
def einsum_dense(c: Conversion) -> Tensor:
    x, equation = c.x, str(c.spec.get("equation", "")).replace(" ", "")
    if equation.count(",") != 1 or equation.count("->") != 1:
        raise c.fail(f"its equation is {equation!r}")
    read, written = equation.split("->")
    ours, kernel = read.split(",")
    if "..." in ours:
        spare = [ch for ch in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if ch not in equation]
        dots = "".join(spare[: x.ndim - len(ours.replace("...", ""))])
        ours, written = ours.replace("...", dots), written.replace("...", dots)
    if len(ours) != x.ndim or not written or written[0] != ours[0] or ours[0] in kernel or len(set(ours)) != len(ours):
        raise c.refuse(f"equation {equation!r} does not keep the batch in front")
    sizes = {ch: x.size(i) for i, ch in enumerate(ours) if i and ch in kernel}
    given = c.spec.get("output_shape", [])
    given = [given] if isinstance(given, int) else list(given)
    for ch, n in zip(written[len(written) - len(given) :], given, strict=True):
        if n is not None and ch in kernel:
            if sizes.setdefault(ch, n) != n:
                raise c.fail(f"axis {ch!r} has sizes {sizes[ch]} and {n}")
    shape = tuple(sizes[ch] for ch in kernel)
    axes = str(c.spec.config.get("bias_axes") or "")
    known = {**{ch: x.size(i) for i, ch in enumerate(ours) if i and ch in axes}, **sizes}
    bias = tuple(known[ch] if ch in axes else 1 for ch in written[min((written.index(ch) for ch in axes), default=0) :])

    def make() -> nn.Layer:
        layer = nn.Einsum(f"{ours},{kernel}->{written}", shape)
        layer.weight.value = c.weight(0, shape)
        return layer

    y = c.apply(c.once("einsum", make), x.plain)
    if axes:

        def shift() -> nn.Layer:
            layer = nn.ScaleShift(bias, y.ndim - len(bias), scale=False)
            layer.bias.value = c.weight(1, bias, 0.0)
            return layer

        y = c.apply(c.once("bias", shift), y, suffix="bias")
    return activations.apply(c, c.spec.config.get("activation"), Tensor(y, mask=x.mask), "activation")
