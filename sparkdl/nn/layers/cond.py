"""A branch that depends on the data, sample by sample."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.layers.inner import inner
from sparkdl.nn.module import Layer, Module


class Cond(Layer):
    """``y[n] = then(x[n])`` where ``predicate(x[n]) > 0``, else ``otherwise(x[n])``.

    Each sample goes through one branch only, together with the others that go there. No gradient comes from the
    predicate. All three modules take the same inputs.

    Shapes
    ------
    inputs     (batch, *), one or several
    predicate  (batch,) or (batch, 1)
    output     what both branches make, of one shape
    """

    def __init__(self, predicate: Module, then: Module, otherwise: Module) -> None:
        super().__init__()
        self.predicate, self.then, self.otherwise = predicate, then, otherwise

    def forward(self, *xs, ctx):
        chosen = decided(inner(self.predicate, xs, ctx, salt=1, wants=False).outputs[0], len(xs[0]), "Cond")
        parts = []
        # both branches run always, be it on no rows: their sums over tasks must come alike on all of them
        for salt, (module, rows) in enumerate(((self.then, chosen), (self.otherwise, ~chosen)), 2):
            index = np.flatnonzero(rows)
            done = inner(
                module, [x[index] for x in xs], ctx, salt=salt, rows=ctx.rows[index],
                bounds=np.searchsorted(index, ctx.bounds), wants=ctx.needs,
            )  # fmt: skip
            parts.append((index, done))
        first, second = (done.outputs[0] for _, done in parts)
        if first.shape[1:] != second.shape[1:] or first.dtype != second.dtype:
            raise ShapeError(
                f"Cond: both branches must make the same, got {first.shape[1:]} {first.dtype} from then and "
                f"{second.shape[1:]} {second.dtype} from otherwise."
            )
        y = ctx.empty((len(xs[0]), *first.shape[1:]), first.dtype)
        for index, done in parts:
            y[index] = done.outputs[0]
        ctx.save(parts, [x.shape for x in xs])
        return y

    def backward(self, dy, ctx):
        parts, shapes = ctx.saved
        dxs = [ctx.empty(shape) if need else None for shape, need in zip(shapes, ctx.needs, strict=True)]
        for index, done in parts:
            for dx, part in zip(dxs, done.backward([dy[index]]), strict=True):
                if dx is not None:
                    dx[index] = 0 if part is None else part
        return dxs[0] if len(dxs) == 1 else tuple(dxs)


def decided(values, batch, name):
    """The boolean of each sample."""
    if values.size != batch or len(values) != batch:
        raise ShapeError(f"{name}: the predicate must give one number per sample, ({batch},), got {values.shape}.")
    return values.reshape(batch) > 0
