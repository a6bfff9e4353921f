"""Windows of a picture as channels."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.module import Layer


class Im2col(Layer):
    """What a convolution's kernel sees at each place, as channels (channel, row, column of the window).

    Shapes
    ------
    input   (batch, channels, height, width)
    output  (batch, channels * kernel height * kernel width, places down, places across)

    Source: Caffe's Im2col.
    """

    def __init__(self, kernel_size, stride=(1, 1), padding=(0, 0), dilation=(1, 1)) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding, self.dilation = kernel_size, stride, padding, dilation

    def _places(self, shape):
        sizes = zip(shape[2:], self.kernel_size, self.stride, self.padding, self.dilation, strict=True)
        return tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in sizes)

    def _windows(self, out):
        for i in range(self.kernel_size[0]):
            for j in range(self.kernel_size[1]):
                yield i * self.kernel_size[1] + j, tuple(
                    slice(k * d, k * d + (n - 1) * s + 1, s)
                    for k, d, n, s in zip((i, j), self.dilation, out, self.stride, strict=True)
                )

    def forward(self, x, ctx):
        if x.ndim != 4 or min(out := self._places(x.shape)) < 1:
            raise ShapeError(f"{self!r} does not fit an array of shape {x.shape}.")
        (top, left), (n, channels) = self.padding, x.shape[:2]
        padded = np.pad(x, ((0, 0), (0, 0), (top, top), (left, left)))
        y = np.empty((n, channels, self.kernel_size[0] * self.kernel_size[1], *out), x.dtype)
        for k, (down, across) in self._windows(out):
            y[:, :, k] = padded[:, :, down, across]
        ctx.save(x.shape, padded.shape, out)
        return y.reshape(n, channels * y.shape[2], *out)

    def backward(self, dy, ctx):
        shape, padded, out = ctx.saved
        dx = np.zeros(padded, dy.dtype)
        dy = dy.reshape(*shape[:2], self.kernel_size[0] * self.kernel_size[1], *out)
        for k, (down, across) in self._windows(out):
            dx[:, :, down, across] += dy[:, :, k]
        (top, left), (height, width) = self.padding, shape[2:]
        return dx[:, :, top : top + height, left : left + width]
