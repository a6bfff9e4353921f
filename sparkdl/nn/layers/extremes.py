"""The larger and the smaller of several values."""

from functools import reduce

import numpy as np

from sparkdl.nn.layers.arithmetic import check_fit, unbroadcast
from sparkdl.nn.module import Layer


class Maximum(Layer):
    """``y = max(x0, x1, ...)``; of equal ones the first gets the gradient.

    Shapes
    ------
    inputs  (batch, *); axes of size 1 are stretched, the batch never is
    output  the stretched shape
    """

    better = staticmethod(np.maximum)

    def forward(self, *xs, ctx):
        check_fit(self, xs)
        y = reduce(self.better, xs)
        ctx.save(xs, y)
        return y

    def backward(self, dy, ctx):
        xs, y = ctx.saved
        left, parts = np.ones(y.shape, bool), []
        for x in xs:
            taken = left & (x == y)
            left &= ~taken
            parts.append(unbroadcast(dy * taken, x.shape))
        return tuple(parts)


class Minimum(Maximum):
    """``y = min(x0, x1, ...)``; of equal ones the first gets the gradient."""

    better = staticmethod(np.minimum)
