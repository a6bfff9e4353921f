"""A loop whose number of rounds depends on the data, sample by sample."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.layers.cond import decided
from sparkdl.nn.layers.inner import inner
from sparkdl.nn.module import Layer, Module


class While(Layer):
    """``x[n] = body(x[n])`` again and again while ``condition(x[n]) > 0``, at most ``max_steps`` times.

    Each sample stops by itself; those that go on do so as one batch. No gradient comes from the condition. Neither
    module may keep running statistics, as tasks go different numbers of rounds.

    Shapes
    ------
    input      (batch, *)
    condition  (batch,) or (batch, 1)
    output     (batch, *), which ``body`` keeps
    """

    def __init__(self, condition: Module, body: Module, max_steps: int = 1000) -> None:
        super().__init__()
        if max_steps < 0:
            raise ShapeError(f"While: max_steps must be >= 0, got {max_steps}.")
        for module in (condition, body):
            found = next(module.named_buffers(), None)
            if found is not None:
                raise ShapeError(f"While: {type(module).__name__} keeps running statistics ({found[0]!r}); use others.")
        self.condition, self.body, self.max_steps = condition, body, max_steps

    def forward(self, x, ctx):
        y, index, rounds = x.copy(), np.arange(len(x)), []
        for step in range(self.max_steps):
            at = {"rows": ctx.rows[index], "bounds": np.searchsorted(index, ctx.bounds)}
            going = inner(self.condition, [y[index]], ctx, salt=2 * step, wants=False, **at).outputs[0]
            index = index[decided(going, len(index), "While")]
            if not len(index):
                break
            at = {"rows": ctx.rows[index], "bounds": np.searchsorted(index, ctx.bounds)}
            # all but the first round need a gradient of what the round before has made
            done = inner(self.body, [y[index]], ctx, salt=2 * step + 1, repeated=True, **at)
            made = done.outputs[0]
            if made.shape != (len(index), *x.shape[1:]):
                raise ShapeError(f"While: the body must keep the shape {x.shape[1:]}, it made {made.shape[1:]}.")
            y[index] = made
            rounds.append((index, done))
        ctx.save(rounds)
        return y

    def backward(self, dy, ctx):
        (rounds,) = ctx.saved
        dx = np.array(dy)
        for index, done in reversed(rounds):
            (part,) = done.backward([dx[index]])
            dx[index] = 0 if part is None else part
        return dx
