"""Pictures of another size by weighted means of neighbours."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.module import Layer


def _cubic(t, b, c):
    """Mitchell & Netravali's family: (0, 0.5) is Keys's kernel with a = -0.5."""
    near = ((12 - 9 * b - 6 * c) * t + (12 * b + 6 * c - 18)) * t * t + (6 - 2 * b)
    far = (((-b - 6 * c) * t + (6 * b + 30 * c)) * t + (-12 * b - 48 * c)) * t + (8 * b + 24 * c)
    return np.where(t < 1, near, np.where(t < 2, far, 0)) / 6


def _lanczos(t, radius):
    return np.where(t < radius, np.sinc(t) * np.sinc(t / radius), 0)


_KERNELS = {
    "bicubic": lambda t: _cubic(t, 0, 0.5),
    "mitchellcubic": lambda t: _cubic(t, 1 / 3, 1 / 3),
    "lanczos3": lambda t: _lanczos(t, 3),
    "lanczos5": lambda t: _lanczos(t, 5),
    "gaussian": lambda t: np.where(t < 1.5, np.exp(-2 * t * t), 0),
}


def resampling(kernel: str, n: int, m: int) -> np.ndarray:
    """``(m, n)`` weights with which n places make m; each row adds up to 1."""
    place, i = np.arange(n), np.arange(m)[:, None]
    if kernel == "nearest":
        return (place == np.minimum((i + 0.5) * n / m, n - 1).astype(np.int64)).astype(np.float64)
    if kernel == "area":
        weights = np.minimum(place + 1, (i + 1) * n / m) - np.maximum(place, i * n / m)
        weights = np.maximum(weights, 0)
    else:
        centre = (i + 0.5) * n / m - 0.5
        if kernel == "bicubic":  # TensorFlow reads this one from a table
            centre = np.floor(centre) + np.rint((centre - np.floor(centre)) * 1024) / 1024
        weights = _KERNELS[kernel](np.abs(place - centre))
    return weights / weights.sum(axis=1, keepdims=True)


class Resample(Layer):
    """Each place of the output is a mean of the input's, weighted by ``kernel`` of their distance, axis by axis.

    Centres lie half a place from the edge; weights that fall outside go to the places inside. ``kernel`` is "nearest",
    "area", "bicubic", "mitchellcubic", "lanczos3", "lanczos5" or "gaussian".

    Shapes
    ------
    input   (batch, channels, height, width)
    output  (batch, channels, *size)

    Source: TensorFlow's tf.image.resize without anti-aliasing.
    """

    KERNELS = ("nearest", "area", *_KERNELS)

    def __init__(self, size: tuple[int, int], kernel: str) -> None:
        super().__init__()
        if kernel not in self.KERNELS:
            raise ValueError(f"Resample: kernel is one of {', '.join(self.KERNELS)}, got {kernel!r}.")
        self.size, self.kernel = (int(size[0]), int(size[1])), kernel
        if min(self.size) < 1:
            raise ShapeError(f"Resample: sizes must be >= 1, got {size}.")

    def _weights(self, shape, dtype):
        return [resampling(self.kernel, n, m).astype(dtype) for n, m in zip(shape[2:], self.size, strict=True)]

    def forward(self, x, ctx):
        if x.ndim != 4 or 0 in x.shape[2:]:
            raise ShapeError(f"{self!r} takes (batch, channels, height, width), got {x.shape}.")
        ctx.save(x.shape)
        high, wide = self._weights(x.shape, x.dtype)
        return np.matmul(high, np.matmul(np.ascontiguousarray(x), wide.T))

    def backward(self, dy, ctx):
        high, wide = self._weights(ctx.saved[0], dy.dtype)
        return np.matmul(high.T, np.matmul(np.ascontiguousarray(dy), wide))
