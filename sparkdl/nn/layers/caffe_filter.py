"""Samples of a batch, chosen by a flag."""

from sparkdl.errors import ShapeError
from sparkdl.nn.module import Layer


class CaffeFilter(Layer):
    """The samples of each ``x`` whose ``flag`` is not 0, in their order. For scoring: it has no gradient.

    Shapes
    ------
    inputs  ``count`` arrays (batch, *), flags (batch,) or (batch, 1, ...)
    output  ``count`` arrays (n, *), n being the number of flags that are not 0

    Source: Caffe's Filter.
    """

    integers, picks_samples = True, True

    def __init__(self, count: int = 1) -> None:
        super().__init__()
        self.count = self.outputs = count

    def forward(self, *inputs, ctx):
        *xs, flags = inputs
        if len(xs) != self.count or flags.ndim < 1 or flags.size != len(flags) or any(len(x) != len(flags) for x in xs):
            shapes = [x.shape for x in inputs]
            raise ShapeError(f"{self!r} takes {self.count} arrays (batch, *) and flags (batch,), got shapes {shapes}.")
        kept = flags.reshape(-1) != 0
        made = tuple(x[kept] for x in xs)
        return made if self.count > 1 else made[0]

    def backward(self, *dys, ctx):
        return (None,) * (self.count + 1)
