"""Products of tensors with a learned one, by Einstein's notation."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.module import Layer
from sparkdl.nn.parameter import Parameter


class Einsum(Layer):
    """``y = einsum(equation, x, weight)``, as in ``"abc,cd->abd"``; the batch stands first in input and output.

    Shapes
    ------
    input, output  as the equation says
    weight         ``shape``, from U(-1/sqrt(n), 1/sqrt(n)), n its first size
    """

    def __init__(self, equation: str, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.equation, self.shape = equation, tuple(shape)
        read, self._out = equation.split("->")
        self._in, self._kernel = read.split(",")
        in_front = self._out[:1] == self._in[0] and self._in[0] not in self._kernel
        if not in_front or len(self._kernel) != len(shape):
            raise ShapeError(f"Einsum: {equation!r} with weights {shape} does not keep the batch in front.")
        self.weight = Parameter(np.zeros(self.shape, np.float32))
        self.reset_parameters()

    def reset_parameters(self):
        from sparkdl.nn import rng

        bound = 1 / np.sqrt(max(self.shape[0], 1)) if self.shape else 1.0
        self.weight.value = rng.generator().uniform(-bound, bound, self.shape)

    def forward(self, x, ctx):
        known = dict(zip(self._kernel, self.shape, strict=True))
        if x.ndim != len(self._in) or any(known.get(axis, n) != n for axis, n in zip(self._in, x.shape, strict=True)):
            raise ShapeError(f"{self!r} does not fit an array of shape {x.shape}.")
        ctx.save(x)
        return np.einsum(self.equation, x, self.weight.data, optimize=True)

    def backward(self, dy, ctx):
        (x,) = ctx.saved
        back = f"{self._in},{self._out}->{self._kernel}"
        ctx.grad(self.weight, lambda out, rows: out.__setitem__(..., np.einsum(back, x[rows], dy[rows], optimize=True)))
        return np.einsum(f"{self._out},{self._kernel}->{self._in}", dy, self.weight.data, optimize=True)
