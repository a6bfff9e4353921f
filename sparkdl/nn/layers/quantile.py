"""Quantiles over axes of a sample."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.module import Layer

METHODS = ("linear", "lower", "higher", "nearest", "midpoint")


class Quantile(Layer):
    """The value below which a part ``q`` of all values over axes ``dims`` lies; 0.5 is the median.

    Where the place ``q * (n - 1)`` is between two sorted values, ``method`` decides: ``linear`` interpolates,
    ``lower``, ``higher``, ``nearest`` (halves to even) and ``midpoint`` are what they say. The gradient goes to the
    values taken.

    Shapes
    ------
    input   (batch, *)
    output  (batch, *), without the axes ``dims`` unless ``keepdim``
    """

    def __init__(self, q: float, dims: tuple[int, ...], keepdim: bool = False, method: str = "linear") -> None:
        super().__init__()
        if not 0 <= q <= 1 or method not in METHODS:
            rule = f"q is from 0 to 1 and method one of {', '.join(METHODS)}"
            raise ShapeError(f"Quantile: {rule}; got {q!r}, {method!r}.")
        self.q, self.dims, self.keepdim, self.method = float(q), tuple(int(d) for d in dims), keepdim, method

    def _between(self, n):
        """The two sorted places, and the second one's part."""
        place = self.q * (n - 1)
        low, high = int(np.floor(place)), int(np.ceil(place))
        part = {"linear": place - low, "lower": 0.0, "higher": 1.0, "nearest": np.rint(place) - low, "midpoint": 0.5}
        return low, high, float(part[self.method]) if high > low else 0.0

    def forward(self, x, ctx):
        axes = sorted({d % x.ndim for d in self.dims})
        if not axes or axes[0] == 0 or any(x.shape[a] == 0 for a in axes):
            raise ShapeError(f"{self!r} takes axes other than the batch that hold values, got {x.shape}.")
        kept = [i for i in range(x.ndim) if i not in axes]
        moved = x.transpose(*kept, *axes)
        rows = moved.reshape(*(x.shape[i] for i in kept), int(np.prod([x.shape[a] for a in axes])))
        order = np.argsort(rows, -1, kind="stable")
        low, high, part = self._between(rows.shape[-1])
        first, second = order[..., low : low + 1], order[..., high : high + 1]
        ctx.save(x.shape, kept + axes, moved.shape, first, second, part)
        a, b = (np.take_along_axis(rows, place, -1)[..., 0] for place in (first, second))
        y = a + (b - a) * x.dtype.type(part) if part else a
        return np.expand_dims(y, tuple(axes)) if self.keepdim else y

    def backward(self, dy, ctx):
        shape, order, moved, first, second, part = ctx.saved
        dx = np.zeros((*first.shape[:-1], int(np.prod(moved[len(first.shape) - 1 :]))), dy.dtype)
        dy = dy.reshape(first.shape)
        for place, share in ((first, 1 - part), (second, part)):
            np.put_along_axis(dx, place, np.take_along_axis(dx, place, -1) + dy * dy.dtype.type(share), -1)
        return dx.reshape(moved).transpose(np.argsort(order))
