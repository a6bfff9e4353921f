"""Places around the values, or fewer of them, along any axes."""

from sparkdl.errors import ShapeError
from sparkdl.nn.module import Layer


class Pad(Layer):
    """Along the last axes, ``(before, after)`` more places each, that hold ``value``; numbers below 0 take places away.

    Shapes
    ------
    input   (batch, *)
    output  the same, the last ``len(padding)`` sizes longer by ``before + after``
    """

    integers = True

    def __init__(self, padding, value: float = 0.0) -> None:
        super().__init__()
        self.padding, self.value = tuple((int(a), int(b)) for a, b in padding), value

    def forward(self, x, ctx):
        pairs = self.padding
        if not len(pairs) < x.ndim or any(n + a + b < 0 for n, (a, b) in zip(x.shape[::-1], pairs[::-1], strict=False)):
            raise ShapeError(f"{self!r} does not fit an array of shape {x.shape}.")
        sizes = x.shape[x.ndim - len(pairs) :]
        into = (..., *(slice(max(a, 0), n + a + min(b, 0)) for n, (a, b) in zip(sizes, pairs, strict=True)))
        kept = (..., *(slice(max(-a, 0), n + min(b, 0)) for n, (a, b) in zip(sizes, pairs, strict=True)))
        grown = tuple(n + a + b for n, (a, b) in zip(sizes, pairs, strict=True))
        y = ctx.empty((*x.shape[: x.ndim - len(pairs)], *grown), x.dtype)
        y.fill(self.value)
        y[into] = x[kept]
        ctx.save(x.shape, into, kept)
        return y

    def backward(self, dy, ctx):
        shape, into, kept = ctx.saved
        dx = ctx.empty(shape)
        dx.fill(0)
        dx[kept] = dy[into]
        return dx
