"""The largest of several affine maps."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.layers.linear import Linear


class Maxout(Linear):
    """``y[o] = max_p (x @ weight[p * out_features + o] + bias[p * out_features + o])`` over ``pieces`` maps.

    Shapes
    ------
    input   (batch, *, in_features)
    output  (batch, *, out_features)
    weight  (pieces * out_features, in_features), bias (pieces * out_features,), drawn as in Linear

    Source: Goodfellow et al. (2013), section 3.
    """

    def __init__(self, in_features: int, out_features: int, pieces: int, bias: bool = True) -> None:
        if not pieces >= 1:
            raise ShapeError(f"Maxout: pieces must be >= 1, got {pieces!r}.")
        super().__init__(in_features, pieces * out_features, bias)
        self.pieces, self.width = pieces, out_features

    def config(self):
        return {**super().config(), "out_features": self.width, "pieces": self.pieces}

    def extra_repr(self):
        return f"{self.in_features}, {self.width}, {self.pieces}" + ("" if self.bias is not None else ", bias=False")

    def forward(self, x, ctx):
        y = super().forward(x, ctx=ctx)
        y = y.reshape(*y.shape[:-1], self.pieces, self.width)
        best = y.argmax(-2, keepdims=True)
        ctx.save(*ctx.saved, best)
        return np.take_along_axis(y, best, -2)[..., 0, :]

    def backward(self, dy, ctx):
        x, best = ctx.saved
        ctx.save(x)
        wide = np.zeros((*dy.shape[:-1], self.pieces, self.width), dy.dtype)
        np.put_along_axis(wide, best, dy[..., None, :], -2)
        return super().backward(wide.reshape(*dy.shape[:-1], self.pieces * self.width), ctx=ctx)
