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
        read, arrow, self._out = equation.partition("->")
        self._in, comma, self._kernel = read.partition(",")
        if not (arrow and comma and all(s.isalpha() for s in (self._in, self._kernel, self._out))):
            raise ValueError(f"Einsum: equation is of the form 'abc,cd->abd', got {equation!r}.")
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


class EinsumOf(Layer):
    """``y = einsum(equation, x0, x1, ...)`` of arrays of one batch, whose letter stands first everywhere.

    Shapes
    ------
    inputs, output  as the equation says: ``"bij,bjk->bik"``; no letter twice in one array
    """

    def __init__(self, equation: str) -> None:
        super().__init__()
        self.equation = equation
        read, _, self._out = equation.replace(" ", "").partition("->")
        self._in = tuple(read.split(","))
        terms = (*self._in, self._out)
        if not all(t.isalpha() and t[0] == terms[0][:1] and len(set(t)) == len(t) for t in terms):
            rule = "one batch in front of every array, and no letter twice in one"
            raise ShapeError(f"EinsumOf: {rule}; got {equation!r}.")
        if not set(self._out) <= set("".join(self._in)):
            raise ShapeError(f"EinsumOf: {equation!r} has letters in its output that no input has.")

    def forward(self, *xs, ctx):
        sizes: dict[str, int] = {}
        pairs = list(zip(self._in, xs, strict=False))
        fits = len(xs) == len(self._in) and all(x.ndim == len(t) for t, x in pairs)
        axes = [each for t, x in pairs for each in zip(t, x.shape, strict=False)]
        if not fits or any(sizes.setdefault(a, n) != n for a, n in axes):
            raise ShapeError(f"{self!r} does not fit arrays of shapes {[x.shape for x in xs]}.")
        ctx.save(*xs)
        return np.einsum(self.equation, *xs, optimize=True)

    def backward(self, dy, ctx):
        xs = ctx.saved
        return tuple(self._slope(i, dy, xs) for i in range(len(xs)))

    def _slope(self, i, dy, xs):
        others = [*self._in[:i], *self._in[i + 1 :]]
        there = set(self._out).union(*others)
        kept = "".join(a for a in self._in[i] if a in there)  # what only this array has was summed: the same for all
        dx = np.einsum(f"{','.join([self._out, *others])}->{kept}", dy, *xs[:i], *xs[i + 1 :], optimize=True)
        gone = tuple(n for n, a in enumerate(self._in[i]) if a not in there)
        return np.broadcast_to(np.expand_dims(dx, gone), xs[i].shape).copy()
