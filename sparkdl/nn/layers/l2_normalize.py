"""Vectors of length 1."""

import numpy as np

from sparkdl.nn.layers.reduce import ReduceSum


class L2Normalize(ReduceSum):
    """``y = x / sqrt(max(sum(x ** 2), eps))`` over axes ``dims`` of each sample; with ``added``, ``sum(x ** 2) + eps``.

    Shapes
    ------
    input   (batch, *)
    output  the same

    Source: Keras's l2_normalize; with ``added`` the Normalize layer of Caffe's SSD branch. PyTorch's is ``Normalize``.
    """

    def __init__(self, dims: tuple[int, ...], eps: float = 1e-12, added: bool = False) -> None:
        super().__init__(dims, keepdim=True)
        self.eps, self.added = eps, added

    def forward(self, x, ctx):
        axes, eps = self._axes(x), x.dtype.type(self.eps)
        square = (x * x).sum(axis=axes, keepdims=True)
        length = np.sqrt(square + eps if self.added else np.maximum(square, eps))
        y = x / length
        ctx.save(y, length, axes, None if self.added else square > eps)
        return y

    def backward(self, dy, ctx):
        y, length, axes, real = ctx.saved
        along = (dy * y).sum(axis=axes, keepdims=True)
        return (dy - y * (along if real is None else along * real)) / length
