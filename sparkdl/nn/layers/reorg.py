"""Blocks of a picture to channels, in Darknet's order."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.module import Layer


class Reorg(Layer):
    """Every block of ``stride`` x ``stride`` values becomes channels; ``reverse`` spreads channels to blocks.

    Shapes
    ------
    input   (batch, channels, height, width)
    output  (batch, channels * stride ** 2, height / stride, width / stride), or back

    Source: Caffe's forks for YOLO: output channel ``(row * stride + column) * channels + c`` of the block.
    """

    def __init__(self, stride: int = 2, reverse: bool = False) -> None:
        super().__init__()
        if stride < 1:
            raise ShapeError(f"Reorg: stride must be >= 1, got {stride}.")
        self.stride, self.reverse = stride, reverse

    def _to_channels(self, x):
        n, c, h, w = x.shape
        s = self.stride
        if h % s or w % s:
            raise ShapeError(f"{self!r}: {s} does not divide a picture of {h} x {w}.")
        return x.reshape(n, c, h // s, s, w // s, s).transpose(0, 3, 5, 1, 2, 4).reshape(n, s * s * c, h // s, w // s)

    def _to_blocks(self, x):
        n, c, h, w = x.shape
        s = self.stride
        if c % (s * s):
            raise ShapeError(f"{self!r}: {s * s} does not divide {c} channels.")
        blocks = x.reshape(n, s, s, c // (s * s), h, w).transpose(0, 3, 4, 1, 5, 2)
        return blocks.reshape(n, c // (s * s), h * s, w * s)

    def forward(self, x, ctx):
        if x.ndim != 4:
            raise ShapeError(f"{self!r} takes (batch, channels, height, width), got {x.shape}.")
        return self._to_blocks(x) if self.reverse else self._to_channels(x)

    def backward(self, dy, ctx):
        dy = np.ascontiguousarray(dy)
        return self._to_channels(dy) if self.reverse else self._to_blocks(dy)
