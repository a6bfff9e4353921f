"""A module applied to each step of a sequence."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.layers.inner import inner
from sparkdl.nn.module import Layer, Module


class TimeDistributed(Layer):
    """``y[:, t] = module(x[:, t])`` for all steps t, with the same weights.

    All steps of all samples go through the module as one batch.

    Shapes
    ------
    input   (batch, steps, *)
    output  (batch, steps, *), by what the module makes of (batch, *)
    """

    def __init__(self, module: Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x, ctx):
        if x.ndim < 2:
            raise ShapeError(f"TimeDistributed takes (batch, steps, *), got {x.shape}.")
        steps = x.shape[1]
        flat = np.ascontiguousarray(x).reshape(len(x) * steps, *x.shape[2:])
        rows = (ctx.rows[:, None] * steps + np.arange(steps)).reshape(-1)
        done = inner(self.module, [flat], ctx, rows=rows, bounds=ctx.bounds * steps)
        ctx.save(done, x.shape)
        y = np.ascontiguousarray(done.outputs[0])
        return y.reshape(len(x), steps, *y.shape[1:])

    def backward(self, dy, ctx):
        done, shape = ctx.saved
        dy = np.ascontiguousarray(dy)
        (dx,) = done.backward([dy.reshape(shape[0] * shape[1], *dy.shape[2:])])
        return None if dx is None else np.ascontiguousarray(dx).reshape(shape)
