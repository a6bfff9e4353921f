"""Another shape, same values."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.module import Layer


class Reshape(Layer):
    """Each sample gets ``shape`` (one tuple, without the batch axis); one entry may be -1.

    Shapes
    ------
    input   (batch, *)
    output  (batch, *shape)
    """

    integers = True

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        if not isinstance(shape, tuple | list):
            raise ShapeError(f"Reshape: takes one tuple, as in nn.Reshape((1, 28, 28)), got {shape!r}.")
        self.shape = tuple(int(n) for n in shape)
        if sum(n == -1 for n in self.shape) > 1 or any(n < -1 for n in self.shape):
            raise ShapeError(f"Reshape: a shape has sizes >= 0 and at most one -1, got {self.shape}.")

    def forward(self, x, ctx):
        ctx.save(x.shape)
        size = int(np.prod(x.shape[1:]))
        known = int(np.prod([n for n in self.shape if n != -1]))
        if (size % known if known else size) if -1 in self.shape else size != known:
            raise ShapeError(f"{self!r}: samples of shape {x.shape[1:]} hold {size} values, the new shape {known}.")
        shape = tuple(size // max(known, 1) if n == -1 else n for n in self.shape)
        return np.ascontiguousarray(x).reshape(len(x), *shape)

    def backward(self, dy, ctx):
        (shape,) = ctx.saved
        return np.ascontiguousarray(dy).reshape(shape)
