"""Another order of axes."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.module import Layer


class Permute(Layer):
    """Axes 1, 2, ... of the output are the input's axes ``dims``; axis 0, the batch, stays. Nothing is copied.

    Shapes
    ------
    input   (batch, *)
    output  (batch, *), as in ``x.transpose(0, *dims)``
    """

    def __init__(self, dims: tuple[int, ...]) -> None:
        super().__init__()
        self.dims = tuple(int(d) for d in dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ShapeError(f"Permute: dims order the axes 1 .. n (0 is the batch and stays), got {self.dims}.")

    def forward(self, x, ctx):
        if x.ndim != len(self.dims) + 1:
            raise ShapeError(f"{self!r} takes {len(self.dims) + 1} axes, got an array of shape {x.shape}.")
        return x.transpose(0, *self.dims)

    def backward(self, dy, ctx):
        return dy.transpose(np.argsort((0, *self.dims)))
