"""Batch normalisation with the ReLU, and the 2x2 maximum, after it: two readings of the input each way."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparkdl.nn.kernels import batchnorm
from sparkdl.nn.layers.batchnorm import _moments
from sparkdl.nn.layers.layout import either_layout
from sparkdl.nn.module import Layer


class BatchNormAct(Layer):
    """``max2x2(relu(batchnorm(x)))``, the last two optional; statistics and shapes as in ``nn.BatchNorm2d``."""

    data_format = "NCHW"

    def __init__(self, norm: Layer, relu: bool, pool: bool) -> None:
        super().__init__()
        self.norm, self.relu, self.pool = norm, relu, pool

    @classmethod
    def of(cls, norm: Any, *others: Any) -> BatchNormAct | None:
        names = [type(layer).__name__ for layer in others]
        if "MaxPool2d" in names:
            pool = others[names.index("MaxPool2d")]
            p = pool.windows
            if not p.kernel == p.stride == (2, 2) or p.dilation != (1, 1) or np.any(p.pads) or pool.ceil_mode:
                return None
        return cls(norm, "ReLU" in names, "MaxPool2d" in names) if norm.sync else None

    @either_layout
    def forward(self, x, ctx):
        norm = self.norm
        norm._check(x)
        v = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
        learned = False
        if self._by_batch(ctx):
            mean, var, learned = self._statistics(v, ctx)
        else:
            mean, var = norm.running_mean, norm.running_var
        p = batchnorm.parameters(norm.num_features, x.dtype)
        inverse = 1 / np.sqrt(np.asarray(var, np.float64) + norm.eps)
        scale = inverse * norm.weight.data if norm.affine else inverse
        p[0], p[1] = scale, (norm.bias.data if norm.affine else 0) - mean * scale
        p[2], p[3], p[4] = mean, inverse, scale
        down = 2 if self.pool else 1
        y = ctx.empty((*x.shape[:2], x.shape[2] // down, x.shape[3] // down))
        last, index = y.transpose(0, 2, 3, 1), None
        if self.pool:
            index = np.empty(last.shape, np.int8)
            batchnorm.pool_apply(last, index, v, p, self.relu)
        else:
            batchnorm.apply(last, v, p, self.relu)
        ctx.save(v, p, index, learned)
        return y

    def _by_batch(self, ctx):
        """The mode is that of the layer this one stands for."""
        return (ctx.run.training and self.norm.training) or not self.norm.track_running_stats

    def _statistics(self, v, ctx):
        norm = self.norm
        leaves = np.empty((ctx.run.leaves, 2 * norm.num_features + 1))
        sums = np.empty((ctx.run.leaves, 2, norm.num_features))
        batchnorm.moments(sums, v, ctx.bounds)
        leaves[:, 0] = np.diff(ctx.bounds) * (v.shape[1] * v.shape[2])
        leaves[:, 1:] = sums.reshape(len(sums), -1)
        count, mean, var = _moments(ctx.merge(leaves))
        if count > 1 and norm.track_running_stats and ctx.run.training and norm.training:
            norm._track(count, mean, var)
        return norm._usable(count, mean, var)

    @either_layout
    def backward(self, dy, ctx):
        v, p, index, learned = ctx.saved
        norm, m = self.norm, self.norm.num_features
        g = np.ascontiguousarray(dy.transpose(0, 2, 3, 1))
        leaves = np.zeros((ctx.run.leaves, 2 * m + 1))
        sums = np.empty((ctx.run.leaves, 2, m))
        if self.pool:
            batchnorm.pool_gradient_sums(sums, v, g, index, p, ctx.bounds)
        else:
            batchnorm.gradient_sums(sums, v, g, p, self.relu, ctx.bounds)
        leaves[:, 0] = np.diff(ctx.bounds) * (v.shape[1] * v.shape[2])
        leaves[:, 1:] = sums.reshape(len(sums), -1)
        if norm.affine:
            ctx.grad_leaves(norm.weight, np.ascontiguousarray(sums[:, 1], v.dtype))
            ctx.grad_leaves(norm.bias, np.ascontiguousarray(sums[:, 0], v.dtype))
        if self._by_batch(ctx):
            total = ctx.merge(leaves)
            if learned:
                count = max(total[0], 1)
                p[5], p[6] = total[1 : m + 1] / count, total[m + 1 :] / count
        dx = ctx.empty((len(v), m, *v.shape[1:3]))
        last = dx.transpose(0, 2, 3, 1)
        if self.pool:
            batchnorm.pool_gradient(last, v, g, index, p)
        else:
            batchnorm.gradient(last, v, g, p, self.relu)
        return dx
