"""A cut-out as large as another array."""

from sparkdl.errors import ShapeError
from sparkdl.nn.module import Layer


class CropLike(Layer):
    """The part of ``x`` that starts at ``offsets`` and has the sizes of ``like``, along the axes from ``dim`` on.

    Shapes
    ------
    inputs  x (batch, *), like (batch, *) of as many axes
    output  x's sizes up to ``dim``, like's from there

    Source: Caffe's Crop.
    """

    def __init__(self, dim: int = 2, offsets: tuple[int, ...] = (0, 0)) -> None:
        super().__init__()
        self.dim, self.offsets = dim, tuple(int(n) for n in offsets)

    def forward(self, x, like, ctx):
        if x.ndim != like.ndim or self.dim < 1 or x.ndim - self.dim != len(self.offsets):
            raise ShapeError(f"{self!r} does not fit arrays of shapes {x.shape} and {like.shape}.")
        window = [slice(None)] * self.dim
        for n, wanted, start in zip(x.shape[self.dim :], like.shape[self.dim :], self.offsets, strict=True):
            if start < 0 or start + wanted > n:
                raise ShapeError(f"{self!r}: {wanted} values from {start} on, of {n}.")
            window.append(slice(start, start + wanted))
        ctx.save(x.shape, tuple(window))
        return x[tuple(window)]

    def backward(self, dy, ctx):
        shape, window = ctx.saved
        dx = ctx.empty(shape)
        dx[...] = 0
        dx[window] = dy
        return dx, None
