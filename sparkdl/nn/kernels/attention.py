"""Scaled dot-product attention of all heads, forwards and backwards.

    forward(y, p, q, k, v, keep, drop, heads, scale, causal)
    backward(dq, dk, dv, dy, dmean, p, q, k, v, drop, heads, scale)

``q`` (batch, queries, heads * d), ``k`` (batch, keys, heads * d), ``v`` (batch, keys, heads * e) and ``y`` (batch,
queries, heads * e) are C contiguous; ``p`` (batch, heads, queries, keys) gets the weights after the softmax. ``keep``
(batch, 1 or heads, 1 or queries, keys) is 0 where a key must not be looked at, ``drop`` a factor for each weight; both
may have size 0. ``dmean`` (batch, queries, keys), or of size 0, is the gradient of the heads' mean weights. A query
that may look at nothing gets zeros. Every head of every sample is one item of work.
"""

from __future__ import annotations

import numpy as np

from sparkdl.kernel import njit, numba
from sparkdl.nn.kernels import vmath
from sparkdl.nn.kernels.block import ZERO, block, transpose
from sparkdl.nn.kernels.recurrent import offsets
from sparkdl.nn.kernels.rows import dot, total

prange = numba().prange
_LANES = 16


@njit
def _times(like, c, c_step, a, a_row, a_step, b, b_step, rows, inner, columns):
    """``c[p, j] = sum_k a[p, k] b[k, j]`` by addresses and strides in elements."""
    zero = offsets(1, 0)
    block(
        like, a, offsets(rows, a_row).ctypes.data, a_step, zero.ctypes.data, 1, inner, b, b_step, 0, c,
        offsets(rows, c_step).ctypes.data, rows, columns, ZERO, c,
    )  # fmt: skip


@njit
def _turned(x, at, step, rows, columns):
    """The ``rows`` rows at address ``at``, ``step`` elements apart, transposed and close together."""
    out = np.empty((columns, rows), x.dtype)
    transpose(x, out.ctypes.data, rows, at, step, rows, columns)
    return out


@njit
def _largest(s, limit, lanes):
    """The largest of the first ``limit`` elements; ``lanes`` is scratch, so that some are compared at a time."""
    lanes[:] = s.dtype.type(-np.inf)
    whole = limit - limit % _LANES
    for j in range(0, whole, _LANES):
        for i in range(_LANES):
            lanes[i] = max(lanes[i], s[np.uint64(j + i)])
    top = s.dtype.type(-np.inf)
    for i in range(_LANES):
        top = max(top, lanes[i])
    for j in range(whole, limit):
        top = max(top, s[j])
    return top


@njit
def _softmax(s, scale, keep, limit, lanes):
    """Of one row in place, over its first ``limit`` places and those that ``keep`` allows; zeros elsewhere."""
    zero, least = s.dtype.type(0), s.dtype.type(-np.inf)
    if keep.size:
        for j in range(limit):
            s[j] = s[j] if keep[j] else least
    top = _largest(s, limit, lanes)
    if top == least:
        s[:] = zero
        return
    for j in range(limit):
        s[j] = vmath.exp((s[j] - top) * scale)
    share = s.dtype.type(1) / total(s[:limit])
    for j in range(limit):
        s[j] *= share
    for j in range(limit, len(s)):
        s[j] = zero


@njit(parallel=True)
def forward(y, p, q, k, v, keep, drop, heads, scale, causal):
    for item in prange(q.shape[0] * heads):
        n, h = item // heads, item % heads
        d, e = q.shape[2] // heads, v.shape[2] // heads
        queries, keys, size = q.shape[1], k.shape[1], q.itemsize
        if queries == 0 or keys == 0:
            y[n] = 0
            continue
        turned = _turned(k, k.ctypes.data + (n * keys * k.shape[2] + h * d) * size, k.shape[2], keys, d)
        s, lanes = p[n, h], np.empty(_LANES, q.dtype)
        at_q = q.ctypes.data + (n * queries * q.shape[2] + h * d) * size
        at_v = v.ctypes.data + (n * keys * v.shape[2] + h * e) * size
        at_y = y.ctypes.data + (n * queries * y.shape[2] + h * e) * size
        _times(q, s.ctypes.data, keys, at_q, q.shape[2], 1, turned.ctypes.data, keys, queries, d, keys)
        for i in range(queries):
            if keep.size:
                allowed = keep[n, h if keep.shape[1] > 1 else 0, i if keep.shape[2] > 1 else 0]
            else:
                allowed = keep[0, 0, 0]
            limit = min(keys, max(0, i + 1 + keys - queries)) if causal else keys
            _softmax(s[i], scale, allowed, limit, lanes)
        if drop.size:
            s = s * drop[n, h]
        _times(q, at_y, y.shape[2], s.ctypes.data, keys, 1, at_v, v.shape[2], queries, keys, e)


@njit(parallel=True)
def backward(dq, dk, dv, dy, dmean, p, q, k, v, drop, heads, scale):
    for item in prange(q.shape[0] * heads):
        n, h = item // heads, item % heads
        d, e = q.shape[2] // heads, v.shape[2] // heads
        queries, keys, size = q.shape[1], k.shape[1], q.itemsize
        if queries == 0 or keys == 0:
            dq[n], dk[n], dv[n] = 0, 0, 0
            continue
        from_q, from_k = (n * queries * q.shape[2] + h * d) * size, (n * keys * k.shape[2] + h * d) * size
        from_v, from_y = (n * keys * v.shape[2] + h * e) * size, (n * queries * dy.shape[2] + h * e) * size
        turned = _turned(v, v.ctypes.data + from_v, v.shape[2], keys, e)
        w, ds = p[n, h], np.empty((queries, keys), q.dtype)
        used = w * drop[n, h] if drop.size else w
        at_dy = dy.ctypes.data + from_y
        at_ds = ds.ctypes.data
        _times(q, at_ds, keys, at_dy, dy.shape[2], 1, turned.ctypes.data, keys, queries, e, keys)
        _times(
            q, dv.ctypes.data + from_v, v.shape[2], used.ctypes.data, 1, keys, at_dy, dy.shape[2], keys, queries, e
        )
        for i in range(queries):
            row, weights = ds[i], w[i]
            if drop.size:
                for j in range(keys):
                    row[j] *= drop[n, h, i, j]
            if dmean.size:
                for j in range(keys):
                    row[j] += dmean[n, i, j] / q.dtype.type(heads)
            along = dot(row, weights)
            for j in range(keys):
                row[j] = weights[j] * (row[j] - along) * scale
        at_q, at_k = q.ctypes.data + from_q, k.ctypes.data + from_k
        _times(q, dq.ctypes.data + from_q, q.shape[2], at_ds, keys, 1, at_k, k.shape[2], queries, keys, d)
        _times(q, dk.ctypes.data + from_k, k.shape[2], at_ds, 1, keys, at_q, q.shape[2], keys, queries, d)
