"""A cell carried along a sequence."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.layers.inner import inner
from sparkdl.nn.module import Layer, Module


class Scan(Layer):
    """``state, y[:, t] = cell(x[:, t], state)`` for all steps t in turn; ``reverse`` goes from the last to the first.

    ``cell`` is any module with two inputs and two outputs, a recurrent net of one's own.

    Shapes
    ------
    x        (batch, steps, *), at least one step
    state    (batch, *), which the cell keeps
    outputs  y (batch, steps, *) and the last state (batch, *)
    """

    outputs = 2

    def __init__(self, cell: Module, reverse: bool = False) -> None:
        super().__init__()
        self.cell, self.reverse = cell, reverse

    def _order(self, steps):
        return range(steps - 1, -1, -1) if self.reverse else range(steps)

    def forward(self, x, state, ctx):
        if x.ndim < 2 or not x.shape[1] or len(state) != len(x):
            raise ShapeError(f"Scan takes (batch, steps, *) and a state (batch, *), got {x.shape} and {state.shape}.")
        passes, y = [], None
        for t in self._order(x.shape[1]):
            done = inner(self.cell, [np.ascontiguousarray(x[:, t]), state], ctx, salt=t, repeated=True)
            if len(done.outputs) != 2 or done.outputs[0].shape != state.shape:
                made = [each.shape for each in done.outputs]
                raise ShapeError(f"Scan: the cell must make (state of {state.shape}, output), it made {made}.")
            state, out = done.outputs
            if y is None:
                y = np.empty((len(x), x.shape[1], *out.shape[1:]), out.dtype)
            y[:, t] = out
            passes.append(done)
        ctx.save(passes, x.shape)
        return y, state

    def backward(self, dy, dstate, ctx):
        passes, shape = ctx.saved
        dx = np.zeros(shape, ctx.dtype)
        for t, done in zip(reversed(self._order(shape[1])), reversed(passes), strict=True):
            part, dstate = done.backward([dstate, np.ascontiguousarray(dy[:, t])])
            if part is not None:
                dx[:, t] = part
        return dx, dstate
