"""Arrays side by side."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.module import Layer


class Concat(Layer):
    """The inputs joined along axis ``dim`` (1 by default; 0 is the batch and cannot be joined).

    Shapes
    ------
    inputs  equal but for axis ``dim``
    output  sizes along ``dim`` added up
    """

    integers = True

    def __init__(self, dim: int = 1) -> None:
        super().__init__()
        if dim == 0:
            raise ShapeError("Concat: axis 0 is the batch; dim must not be 0.")
        self.dim = dim

    def forward(self, *xs, ctx):
        axis = self.dim % xs[0].ndim
        rests = {(*x.shape[:axis], *x.shape[axis + 1 :]) for x in xs}
        for x in xs:
            if x.ndim != xs[0].ndim or len(rests) > 1:
                raise ShapeError(f"{self!r}: shapes {[x.shape for x in xs]} differ elsewhere than along axis {axis}.")
        sizes = [x.shape[axis] for x in xs]
        ctx.save(axis, sizes)
        shape = tuple(sum(sizes) if i == axis else n for i, n in enumerate(xs[0].shape))
        y = ctx.empty(shape, np.result_type(*xs))
        np.concatenate(xs, axis=axis, out=y)
        return y

    def backward(self, dy, ctx):
        axis, sizes = ctx.saved
        return tuple(np.split(dy, np.cumsum(sizes)[:-1], axis=axis))
