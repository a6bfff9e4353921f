"""Layers that add to, or multiply by, random numbers."""

from __future__ import annotations

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.layers.draws import normal
from sparkdl.nn.module import Layer


class GaussianDropout(Layer):
    """``y = x * noise``, normal with mean 1 and variance p / (1 - p).  Source: Srivastava et al. (2014), section 10."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"GaussianDropout: p lies in 0 .. 1 (without 1), got {p!r}.")
        self.p = p

    def forward(self, x, ctx):
        if not ctx.training or self.p == 0:
            ctx.save(None)
            return x
        noise = (1 + np.sqrt(self.p / (1 - self.p)) * normal(ctx, x.shape)).astype(x.dtype)
        ctx.save(noise)
        return x * noise

    def backward(self, dy, ctx):
        (noise,) = ctx.saved
        return dy if noise is None else dy * noise


class GaussianNoise(Layer):
    """``y = x + noise``, noise normal with mean 0 and standard deviation ``std``."""

    def __init__(self, std: float = 1.0) -> None:
        super().__init__()
        if not std >= 0:
            raise ValueError(f"GaussianNoise: std must be >= 0, got {std!r}.")
        self.std = std

    def forward(self, x, ctx):
        return x + (self.std * normal(ctx, x.shape)).astype(x.dtype) if ctx.training else x

    def backward(self, dy, ctx):
        return dy


class GaussianSampler(Layer):
    """``y = mean + exp(log_variance / 2) * noise`` with standard normal noise, in eval mode too.

    Shapes
    ------
    inputs  mean (batch, *) and log_variance (batch, *)
    output  (batch, *)

    Source: Kingma & Welling (2013), section 2.4.
    """

    def forward(self, mean, log_variance, ctx):
        if mean.shape != log_variance.shape:
            raise ShapeError(f"{self!r} takes two arrays of one shape, got {mean.shape} and {log_variance.shape}.")
        spread = np.exp(log_variance * mean.dtype.type(0.5)) * normal(ctx, mean.shape).astype(mean.dtype)
        ctx.save(spread)
        return mean + spread

    def backward(self, dy, ctx):
        (spread,) = ctx.saved
        return dy, dy * spread * dy.dtype.type(0.5)
