"""Where in a sequence a vector stands."""

from __future__ import annotations

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn import rng
from sparkdl.nn.module import Layer
from sparkdl.nn.parameter import Parameter


class SinusoidalEncoding(Layer):
    """``y[t] = x[t] * scale + p[t]`` with ``p[t, 2i] = sin(t / base**(2i / n))`` and ``p[t, 2i + 1] = cos(...)``.

    Shapes
    ------
    input, output  (batch, steps, n)

    Source: Vaswani et al. (2017), section 3.5; ``scale`` sqrt(n) is section 3.4's.
    """

    def __init__(self, scale: float = 1.0, base: float = 10000.0) -> None:
        super().__init__()
        self.scale, self.base = scale, base

    def forward(self, x, ctx):
        if x.ndim != 3:
            raise ShapeError(f"{self!r} takes (batch, steps, features), got {x.shape}.")
        return x * x.dtype.type(self.scale) + positions(x.shape[1], x.shape[2], self.base).astype(x.dtype)

    def backward(self, dy, ctx):
        return dy * dy.dtype.type(self.scale)


def positions(steps: int, features: int, base: float = 10000.0) -> np.ndarray:
    """The sines and cosines, float64 ``(steps, features)``."""
    angles = np.arange(steps)[:, None] / base ** (np.arange(0, features, 2) / features)
    return np.stack([np.sin(angles), np.cos(angles)], axis=2).reshape(steps, -1)[:, :features]


class LearnedEncoding(Layer):
    """``y[t] = x[t] + weight[t]``.

    Shapes
    ------
    input, output  (batch, steps, features), steps at most ``max_steps``
    weight         (max_steps, features), drawn from N(0, 0.02**2)
    """

    def __init__(self, max_steps: int, features: int) -> None:
        super().__init__()
        if not (max_steps >= 1 and features >= 1):
            raise ShapeError(f"LearnedEncoding: sizes must be >= 1, got {max_steps!r} and {features!r}.")
        self.max_steps, self.features = max_steps, features
        self.weight = Parameter(np.zeros((max_steps, features), np.float32))
        self.reset_parameters()

    def reset_parameters(self):
        self.weight.value = 0.02 * rng.generator().standard_normal(self.weight.shape)

    def forward(self, x, ctx):
        if x.ndim != 3 or x.shape[2] != self.features or x.shape[1] > self.max_steps:
            raise ShapeError(
                f"{self!r} takes (batch, steps, {self.features}) of at most {self.max_steps} steps, got {x.shape}."
            )
        return x + self.weight.data[: x.shape[1]]

    def backward(self, dy, ctx):
        def write(out, rows):
            out[: dy.shape[1]] = dy[rows].sum(0)
            out[dy.shape[1] :] = 0

        ctx.grad(self.weight, write)
        return dy
