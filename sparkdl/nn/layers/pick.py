"""Several inputs to one: mean value, choice and mixture."""

from __future__ import annotations

from functools import reduce

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.layers.arithmetic import check_fit, unbroadcast
from sparkdl.nn.module import Layer


class Average(Layer):
    """``y = (x0 + x1 + ...) / n``, value by value. Sizes of 1 are stretched."""

    def forward(self, *xs, ctx):
        check_fit(self, xs)
        ctx.save(*(x.shape for x in xs))
        return reduce(np.add, xs) / xs[0].dtype.type(len(xs))

    def backward(self, dy, ctx):
        share = dy / dy.dtype.type(len(ctx.saved))
        return tuple(unbroadcast(share, shape) for shape in ctx.saved)


class Where(Layer):
    """``y = a`` where ``condition`` is not 0, else ``b``. Sizes of 1 are stretched.

    Shapes
    ------
    inputs  condition, a and b, of one number of axes; the condition gets no gradient
    """

    def forward(self, condition, a, b, ctx):
        check_fit(self, (condition, a, b))
        ctx.save(condition != 0, a.shape, b.shape)
        return np.where(condition != 0, a, b)

    def backward(self, dy, ctx):
        condition, a, b = ctx.saved
        return None, unbroadcast(np.where(condition, dy, 0), a), unbroadcast(np.where(condition, 0, dy), b)


class SelectInput(Layer):
    """Input number ``index`` (from 0; negative from the end) of those given; the others get no gradient."""

    integers = True

    def __init__(self, index: int) -> None:
        super().__init__()
        self.index = index

    def forward(self, *xs, ctx):
        if not -len(xs) <= self.index < len(xs):
            raise ShapeError(f"{self!r}: there is no input {self.index} among {len(xs)}.")
        ctx.save(len(xs))
        return xs[self.index]

    def backward(self, dy, ctx):
        grads: list[np.ndarray | None] = [None] * ctx.saved[0]
        grads[self.index] = dy
        return tuple(grads)


class NarrowInputs(Layer):
    """The ``length`` inputs from number ``start`` on, as several outputs; the others get no gradient."""

    integers = True

    def __init__(self, start: int, length: int) -> None:
        super().__init__()
        if not (start >= 0 and length >= 1):
            raise ShapeError(f"NarrowInputs: start >= 0 and length >= 1, got {start!r} and {length!r}.")
        self.start, self.length = start, length
        self.outputs = length

    def forward(self, *xs, ctx):
        if self.start + self.length > len(xs):
            raise ShapeError(f"{self!r}: there are only {len(xs)} inputs.")
        ctx.save(len(xs))
        chosen = xs[self.start : self.start + self.length]
        return chosen if self.length > 1 else chosen[0]

    def backward(self, *dys, ctx):
        grads: list[np.ndarray | None] = [None] * ctx.saved[0]
        grads[self.start : self.start + self.length] = dys
        return tuple(grads)


class Mixture(Layer):
    """``y = sum_i gate[:, i] * expert_i``.

    Shapes
    ------
    inputs  gate (batch, m), then m experts (batch, *) of one shape
    output  (batch, *)

    Source: Torch7's nn.MixtureTable.
    """

    def forward(self, gate, *experts, ctx):
        if gate.ndim != 2 or gate.shape[1] != len(experts) or any(x.shape != experts[0].shape for x in experts):
            raise ShapeError(
                f"{self!r} takes a gate (batch, m) and m experts of one shape, got {gate.shape} and "
                f"{[x.shape for x in experts]}."
            )
        ctx.save(gate, experts)
        return reduce(np.add, [self._column(gate, i, x) * x for i, x in enumerate(experts)])

    def _column(self, gate, i, x):
        return gate[:, i].reshape(-1, *[1] * (x.ndim - 1))

    def backward(self, dy, ctx):
        gate, experts = ctx.saved
        sums = [np.ascontiguousarray(dy * x).reshape(len(dy), x[0].size if len(x) else 1).sum(1) for x in experts]
        return np.stack(sums, 1), *(dy * self._column(gate, i, x) for i, x in enumerate(experts))
