"""A learned slope below zero for each value of a sample."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.module import Layer
from sparkdl.nn.parameter import Parameter


class SlopeBelowZero(Layer):
    """``y = x`` for x > 0, else ``weight * x``, with a slope per value of the sample (sizes of 1 are stretched).

    Shapes
    ------
    input   (batch, *)
    output  the same
    weight  ``shape``, as many axes as the sample; zeros at the start

    Source: Keras's PReLU; ``nn.PReLU`` has a slope per channel.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = tuple(int(n) for n in shape)
        self.weight = Parameter(np.zeros(self.shape, np.float32))

    def reset_parameters(self):
        self.weight.data.fill(0)

    def forward(self, x, ctx):
        if x.ndim != len(self.shape) + 1 or any(n not in (1, m) for n, m in zip(self.shape, x.shape[1:], strict=True)):
            raise ShapeError(f"{self!r} does not fit an array of shape {x.shape}.")
        ctx.save(x)
        return np.where(x > 0, x, x * self.weight.data)

    def backward(self, dy, ctx):
        (x,) = ctx.saved
        stretched = tuple(i for i, n in enumerate(self.shape) if n == 1)

        def write(out, rows):
            total = (np.where(x[rows] > 0, 0, x[rows]) * dy[rows]).sum(axis=0)
            out[...] = total.sum(axis=stretched, keepdims=True)

        ctx.grad(self.weight, write)
        return np.where(x > 0, dy, dy * self.weight.data)
