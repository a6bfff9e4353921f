"""Attention."""

from __future__ import annotations

import numpy as np

from sparkdl import memory
from sparkdl.errors import ShapeError
from sparkdl.nn import rng
from sparkdl.nn.kernels import attention, gemm, leaves
from sparkdl.nn.kernels.adding import added
from sparkdl.nn.layers.draws import uniform
from sparkdl.nn.layers.linear import Linear
from sparkdl.nn.module import Layer
from sparkdl.nn.parameter import Parameter


class _Attention(Layer):
    """What the two layers share: masks, dropout of weights, and the kernels' arguments."""

    num_heads: int
    dropout: float
    causal: bool

    def _attend(self, q, k, v, mask, scale, ctx):
        """The output, and what ``_back`` needs."""
        heads, shape = self.num_heads, (len(q), self.num_heads, q.shape[1], k.shape[1])
        drop = np.zeros((0, 0, 0, 0), q.dtype)
        if self.dropout and ctx.training:
            drop = (uniform(ctx, shape) >= self.dropout) * q.dtype.type(1 / (1 - self.dropout))
        keep = np.zeros((1, 1, 1, 0), np.uint8)
        if mask is not None:
            keep = np.ascontiguousarray(mask[:, None, None] if mask.ndim == 2 else mask) != 0
            keep = keep.astype(np.uint8)
        y, p = memory.empty((*q.shape[:2], v.shape[2]), q.dtype), memory.empty(shape, q.dtype)
        attention.forward(y, p, q, k, v, keep, drop, heads, q.dtype.type(scale), self.causal)
        return y, (p, q, k, v, drop, q.dtype.type(scale))

    def _back(self, dy, dmean, kept):
        p, q, k, v, drop, scale = kept
        dmean = np.zeros((0, 0, 0), q.dtype) if dmean is None else np.ascontiguousarray(dmean)
        dq, dk, dv = (memory.empty(x.shape, x.dtype) for x in (q, k, v))
        attention.backward(dq, dk, dv, np.ascontiguousarray(dy), dmean, p, q, k, v, drop, self.num_heads, scale)
        return dq, dk, dv

    def _sorted(self, xs):
        """Query, key, value and the mask or None; missing ones of the first three repeat those before."""
        mask = xs[-1] if len(xs) > 1 and xs[-1].ndim != 3 else None
        given = xs if mask is None else xs[:-1]
        if not 1 <= len(given) <= 3 or any(x.ndim != 3 for x in given):
            raise ShapeError(f"{self!r} takes 1 to 3 arrays (batch, places, features), got {[x.shape for x in xs]}.")
        query, key, value = given[0], given[min(1, len(given) - 1)], given[-1]
        if mask is not None:
            wide = (len(query), self.num_heads, query.shape[1], key.shape[1])
            fits = mask.ndim == 4 and all(a in (1, b) for a, b in zip(mask.shape, wide, strict=True))
            fits = fits and mask.shape[0] == wide[0] and mask.shape[3] == wide[3]
            if not (fits or mask.shape == (wide[0], wide[3])):
                raise ShapeError(f"{self!r} takes a mask {(wide[0], wide[3])} or {wide}, got {mask.shape}.")
        if key.shape[1] != value.shape[1]:
            raise ShapeError(f"{self!r}: there is one value per key, got {key.shape} and {value.shape}.")
        return query, key, value, mask, len(given)

    def _check_dropout(self):
        if not 0 <= self.dropout < 1:
            raise ValueError(f"{type(self).__name__}: dropout lies in 0 .. 1, got {self.dropout!r}.")


class ScaledDotProductAttention(_Attention):
    """``softmax(q k' * scale) v`` for each head, ``scale`` 1 / sqrt(features per head) if None.

    A mask is 0 where a key must not be looked at. ``causal`` lets the last query see all keys, the one before it all
    but the last, and so on. ``dropout`` takes weights away while training.

    Shapes
    ------
    inputs  query (batch, queries, heads * d), key (batch, keys, heads * d), value (batch, keys, heads * e), and a mask
            (batch, keys) or (batch, 1 or heads, 1 or queries, keys) if wanted
    output  (batch, queries, heads * e)

    Source: Vaswani et al. (2017), section 3.2.
    """

    def __init__(
        self, num_heads: int = 1, dropout: float = 0.0, causal: bool = False, scale: float | None = None
    ) -> None:
        super().__init__()
        self.num_heads, self.dropout, self.causal, self.scale = num_heads, dropout, causal, scale
        if scale is not None and not scale > 0:
            raise ValueError(f"ScaledDotProductAttention: scale must be > 0, got {scale!r}.")
        self._check_dropout()

    def forward(self, *xs, ctx):
        query, key, value, mask, given = self._sorted(xs)
        if key.shape[2] != query.shape[2] or query.shape[2] % self.num_heads or value.shape[2] % self.num_heads:
            raise ShapeError(
                f"{self!r}: queries and keys have as many features, a multiple of {self.num_heads}, "
                f"got {query.shape}, {key.shape} and values {value.shape}."
            )
        scale = (query.shape[2] // self.num_heads) ** -0.5 if self.scale is None else self.scale
        q, k, v = (np.ascontiguousarray(x) for x in (query, key, value))
        y, kept = self._attend(q, k, v, mask, scale, ctx)
        ctx.save(kept, given, mask is not None)
        return y

    def backward(self, dy, ctx):
        kept, given, masked = ctx.saved
        return _folded(self._back(dy, None, kept), given) + (None,) * masked


class MultiheadAttention(_Attention):
    """Attention of ``num_heads`` heads between linear maps of query, key and value and one of the result.

    With one input it attends to itself; with two the second is key and value. A mask is 0 where a key must not be
    looked at; ``causal`` hides the keys behind each query's own place.

    Shapes
    ------
    inputs   query (batch, queries, embed_dim), key (batch, keys, kdim), value (batch, keys, vdim), and a mask (batch,
             keys) or (batch, 1 or num_heads, 1 or queries, keys) if wanted
    output   (batch, queries, embed_dim); with ``return_weights`` also the heads' mean weights (batch, queries, keys)
    weights  PyTorch's: in_proj_weight (3 * embed_dim, embed_dim), or q_proj_weight, k_proj_weight and v_proj_weight
             where kdim or vdim differ from embed_dim; in_proj_bias (3 * embed_dim,); out_proj.weight, out_proj.bias

    Source: Vaswani et al. (2017), section 3.2.2.
    """

    def __init__(
        self, embed_dim: int, num_heads: int, dropout: float = 0.0, bias: bool = True, kdim: int | None = None,
        vdim: int | None = None, causal: bool = False, return_weights: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        if not (num_heads >= 1 and embed_dim >= 1) or embed_dim % num_heads:
            raise ShapeError(f"MultiheadAttention: embed_dim is a multiple of num_heads, got {embed_dim}, {num_heads}.")
        self.embed_dim, self.num_heads, self.dropout, self.bias = embed_dim, num_heads, dropout, bias
        self.kdim, self.vdim, self.causal, self.return_weights = kdim, vdim, causal, return_weights
        self._check_dropout()
        self.outputs = 2 if return_weights else 1
        self._widths = embed_dim, kdim or embed_dim, vdim or embed_dim
        self._joint = self._widths == (embed_dim,) * 3
        if self._joint:
            self.in_proj_weight = _weight(3 * embed_dim, embed_dim)
        else:
            self.q_proj_weight, self.k_proj_weight, self.v_proj_weight = (_weight(embed_dim, n) for n in self._widths)
        self.in_proj_bias = Parameter(np.zeros(3 * embed_dim, np.float32)) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias=bias)
        self.reset_parameters()

    def reset_parameters(self):
        for parameter in self._parameters.values():
            if len(parameter.shape) == 2:
                bound = np.sqrt(6 / sum(parameter.shape))
                parameter.value = rng.generator().uniform(-bound, bound, parameter.shape)
        self.out_proj.reset_parameters()
        if self.bias:
            self.in_proj_bias.data.fill(0)
            self.out_proj.bias.data.fill(0)

    def _projections(self):
        """Weight, as the kernels have it, and bias of the three maps (views)."""
        n, e = self.embed_dim, [slice(i * self.embed_dim, (i + 1) * self.embed_dim) for i in range(3)]
        if self._joint:
            weights = [self.in_proj_weight.data[:, part] for part in e]
        else:
            weights = [p.data for p in (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)]
        biases = [self.in_proj_bias.data[part] if self.bias else None for part in e]
        return [(w, b, n) for w, b in zip(weights, biases, strict=True)]

    def forward(self, *xs, ctx):
        *inputs, mask, given = self._sorted(xs)
        for x, width in zip(inputs, self._widths, strict=True):
            if x.shape[2] != width:
                got = [x.shape for x in inputs]
                raise ShapeError(f"{self!r} takes queries, keys and values of {self._widths} features, got {got}.")
        inputs = [np.ascontiguousarray(x) for x in inputs]
        mapped = []
        for x, (w, b, n) in zip(inputs, self._projections(), strict=True):
            made = memory.empty((*x.shape[:2], n), x.dtype)
            gemm.affine(_rows(made), _rows(x), w, b)
            mapped.append(made)
        q, k, v = mapped
        middle, kept = self._attend(q, k, v, mask, (self.embed_dim // self.num_heads) ** -0.5, ctx)
        y = memory.empty((*middle.shape[:2], self.embed_dim), middle.dtype)
        out = self.out_proj
        gemm.affine(_rows(y), _rows(middle), out.weight.data, out.bias.data if self.bias else None)
        ctx.save(inputs, middle, kept, given, mask is not None)
        return (y, kept[0].mean(axis=1)) if self.return_weights else y

    def backward(self, dy, dmean=None, *, ctx):
        inputs, middle, kept, given, masked = ctx.saved
        dy = np.ascontiguousarray(dy)
        _linear_grads(ctx, self.out_proj.weight, self.out_proj.bias, middle, dy)
        dmiddle = memory.empty(middle.shape, middle.dtype)
        gemm.matmul(_rows(dmiddle), _rows(dy), self.out_proj.weight.data.T)
        dmapped = self._back(dmiddle, dmean, kept)
        self._projection_grads(ctx, inputs, dmapped)
        dxs = []
        for x, d, (w, _, _) in zip(inputs, dmapped, self._projections(), strict=True):
            dx = memory.empty(x.shape, x.dtype)
            gemm.matmul(_rows(dx), _rows(d), w.T)
            dxs.append(dx)
        return _folded(tuple(dxs), given) + (None,) * masked

    def _projection_grads(self, ctx, inputs, dmapped):
        n = self.embed_dim

        def joint(out, bounds):
            for i, (x, d) in enumerate(zip(inputs, dmapped, strict=True)):
                leaves.product(out[:, i * n : (i + 1) * n], _rows(x), _rows(d), bounds * x.shape[1])

        def sums(out, bounds):
            for i, d in enumerate(dmapped):
                leaves.column_sums(out[i * n : (i + 1) * n], _rows(d), bounds * d.shape[1])

        if self._joint:
            ctx.grad_tree(self.in_proj_weight, joint)
        else:
            weights = self.q_proj_weight, self.k_proj_weight, self.v_proj_weight
            for weight, x, d in zip(weights, inputs, dmapped, strict=True):
                _linear_grads(ctx, weight, None, x, d)
        if self.bias:
            ctx.grad_tree(self.in_proj_bias, sums)


def _weight(rows, columns):
    return Parameter(np.zeros((rows, columns), np.float32), axes=(1, 0))


def _rows(x):
    return x.reshape(x.shape[0] * x.shape[1], x.shape[2])


def _linear_grads(ctx, weight, bias, x, dy):
    places = x.shape[1]
    ctx.grad_tree(weight, lambda out, bounds: leaves.product(out, _rows(x), _rows(dy), bounds * places))
    if bias is not None:
        ctx.grad_tree(bias, lambda out, bounds: leaves.column_sums(out, _rows(dy), bounds * places))


def _folded(dxs, given):
    """The gradients of as many inputs as were given."""
    if given == 3:
        return dxs
    return (dxs[0], added(dxs[1], dxs[2])) if given == 2 else (added(added(dxs[0], dxs[1]), dxs[2]),)
