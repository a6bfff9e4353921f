"""Normalisation by the statistics of the batch."""

from __future__ import annotations

from math import prod

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.layers.layout import check_format, either_layout, last, shown
from sparkdl.nn.layers.windows import PLACES
from sparkdl.nn.module import Layer
from sparkdl.nn.parameter import Parameter


class _BatchNorm(Layer):
    """``y = (x - mean) / sqrt(var + eps) * weight + bias``, per channel, over batch and places.

    In training the statistics are those of the whole global batch, over all tasks (``sync=False``: of each virtual
    shard by itself), and running statistics follow them: ``running = (1 - momentum) * running + momentum * batch``
    (``momentum=None``: their plain mean), with the unbiased variance. In eval mode, and where a channel has a single
    value, the running statistics take their place; with ``fixed=True`` they always do, and stay as they are.
    ``data_format="NHWC"``: channels are the last axis.

    Source: Ioffe & Szegedy (2015), algorithms 1 and 2.
    """

    ranks: tuple[int, ...]

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
        track_running_stats: bool = True, sync: bool = True, data_format: str = "NCHW",
        fixed: bool = False,
    ) -> None:
        super().__init__()
        if not num_features >= 1:
            raise ShapeError(f"{type(self).__name__}: num_features must be >= 1, got {num_features!r}.")
        self.num_features, self.eps, self.momentum, self.affine = num_features, eps, momentum, affine
        self.track_running_stats, self.sync, self.fixed = track_running_stats, sync, fixed
        if fixed and not track_running_stats:
            raise ValueError(f"{type(self).__name__}: fixed=True needs running statistics (track_running_stats=True).")
        self.data_format = check_format(self, data_format)
        self.weight = Parameter(np.ones(num_features, np.float32)) if affine else None
        self.bias = Parameter(np.zeros(num_features, np.float32)) if affine else None
        if track_running_stats:
            self.register_buffer("running_mean", np.zeros(num_features, np.float32))
            self.register_buffer("running_var", np.ones(num_features, np.float32))
            self.register_buffer("num_batches_tracked", np.zeros((), np.int64))

    @property  # type: ignore[override]
    def training(self) -> bool:
        """Whether the batch's own statistics count; never with ``fixed``."""
        return self.__dict__.get("_mode", True) and not self.__dict__.get("fixed", False)

    @training.setter
    def training(self, mode: bool) -> None:
        self.__dict__["_mode"] = mode

    def reset_parameters(self):
        if self.affine:
            self.weight.data.fill(1)
            self.bias.data.fill(0)

    def _check(self, x):
        if x.ndim not in self.ranks or x.shape[1] != self.num_features:
            m = self.num_features
            shapes = [shown(self, (), m, PLACES[n - 2])[0] if n > 2 else f"(batch, {m})" for n in self.ranks]
            raise ShapeError(f"{self!r} takes {' or '.join(shapes)}, got {shown(self, x.shape, m, '')[1]}.")

    @either_layout
    def forward(self, x, ctx):
        self._check(x)
        v = last(x)
        y = ctx.empty(x.shape)
        if ctx.training or not self.track_running_stats:
            parts = self._statistics(v, ctx)
        else:
            parts = [(slice(0, len(x)), self.running_mean, self.running_var, False)]
        kept = []
        for rows, mean, var, learned in parts:
            scale = 1 / np.sqrt(var.astype(np.float64) + self.eps)
            kept.append((rows, mean.astype(x.dtype), scale.astype(x.dtype), learned))
            shift = -mean * scale
            if self.affine:
                scale, shift = scale * self.weight.data, shift * self.weight.data + self.bias.data
            np.multiply(v[rows], scale.astype(x.dtype), out=last(y)[rows])
            last(y)[rows] += shift.astype(x.dtype)
        ctx.save(v, kept)
        return y

    def _statistics(self, v, ctx):
        """``(rows, mean, biased variance, whether they depend on x)`` of each run of rows with its own statistics."""
        leaves = ctx.leaf_sums(lambda rows: _sums(v[rows]), 2 * self.num_features + 1)
        whole = ctx.merge(leaves)
        count, mean, var = _moments(whole)
        if count > 1 and self.track_running_stats and ctx.training:
            self._track(count, mean, var)
        if self.sync:
            return [(slice(0, len(v)), *self._usable(count, mean, var))]
        own = ctx.bounds.tolist()
        return [
            (slice(a, b), *self._usable(*_moments(sums)))
            for a, b, sums in zip(own, own[1:], leaves, strict=False)
            if b > a
        ]

    def _usable(self, count, mean, var):
        if count > 1 or not self.track_running_stats:
            return mean, var, True
        return self.running_mean, self.running_var, False

    def _track(self, count, mean, var):
        self.num_batches_tracked += 1
        share = 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum
        for running, now in ((self.running_mean, mean), (self.running_var, var * (count / (count - 1)))):
            running[...] = (1 - share) * running.astype(np.float64) + share * now

    @either_layout
    def backward(self, dy, ctx):
        v, kept = ctx.saved
        g, m = last(dy), self.num_features
        normal = np.empty(v.shape, v.dtype)
        for rows, mean, scale, _ in kept:
            normal[rows] = (v[rows] - mean) * scale

        def sums(rows):
            flat = _flat(g[rows]).astype(np.float64, copy=False)
            return np.concatenate([[len(flat)], flat.sum(0), (flat * _flat(normal[rows])).sum(0)])

        leaves = ctx.leaf_sums(sums, 2 * m + 1)
        if self.affine:
            ctx.grad_leaves(self.weight, leaves[:, m + 1 :].astype(v.dtype))
            ctx.grad_leaves(self.bias, leaves[:, 1 : m + 1].astype(v.dtype))
        depends = any(learned for *_, learned in kept)
        together = self.sync and (ctx.training or not self.track_running_stats)
        whole = ctx.merge(leaves) if together else np.zeros(2 * m + 1)
        dx = ctx.empty(dy.shape)
        for rows, _, scale, learned in kept:
            part = g[rows]
            if depends and learned:
                total = whole if self.sync else leaves[np.searchsorted(ctx.bounds, rows.start, side="right") - 1]
                count = max(total[0], 1)
                part = part - (total[1 : m + 1] / count).astype(v.dtype)
                part -= normal[rows] * (total[m + 1 :] / count).astype(v.dtype)
            last(dx)[rows] = part * (scale if not self.affine else scale * self.weight.data)
        return dx


def _flat(v):
    """All values of each channel, ``(batch * places, channels)``."""
    return v.reshape(len(v) * prod(v.shape[1:-1]), v.shape[-1])


def _sums(v):
    """Number of values, sums and sums of squares per channel."""
    flat = _flat(v).astype(np.float64, copy=False)
    return np.concatenate([[len(flat)], flat.sum(0), np.square(flat).sum(0)])


def _moments(sums):
    """Number of values, mean and biased variance per channel."""
    count, m = sums[0], len(sums) // 2
    mean = sums[1 : m + 1] / max(count, 1)
    return count, mean, np.maximum(sums[m + 1 :] / max(count, 1) - np.square(mean), 0)


class BatchNorm1d(_BatchNorm):
    __doc__ = f"""{_BatchNorm.__doc__}
    Shapes
    ------
    input, output  (batch, num_features) or (batch, num_features, length)
    """
    ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    __doc__ = f"""{_BatchNorm.__doc__}
    Shapes
    ------
    input, output  (batch, num_features, height, width)
    """
    ranks = (4,)


class BatchNorm3d(_BatchNorm):
    __doc__ = f"""{_BatchNorm.__doc__}
    Shapes
    ------
    input, output  (batch, num_features, depth, height, width)
    """
    ranks = (5,)
