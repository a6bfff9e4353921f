"""Normalisation by what lies near: across channels, and around places."""

from __future__ import annotations

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.layers.layout import check_format, either_layout, shown
from sparkdl.nn.layers.windows import check_pictures
from sparkdl.nn.module import Layer


class _LocalNorm(Layer):
    """``y = x / (k + alpha / count * s)**beta``, with ``s`` the sum of squares over a window of ``count`` values."""

    @either_layout
    def forward(self, x, ctx):
        self._check(x)
        scale = x.dtype.type(self.k) + self._window(x * x, False) * x.dtype.type(self.alpha / self._count())
        ctx.save(x, scale)
        return x * scale ** x.dtype.type(-self.beta)

    @either_layout
    def backward(self, dy, ctx):
        x, scale = ctx.saved
        factor = x.dtype.type(2 * self.beta * self.alpha / self._count())
        power = scale ** x.dtype.type(-self.beta)
        return dy * power - factor * x * self._window(dy * x * power / scale, True)


class LocalResponseNorm(_LocalNorm):
    """``y = x / (k + alpha / size * s)**beta``, with ``s`` the sum of squares of ``size`` neighbouring channels.

    Shapes
    ------
    input, output  (batch, channels, *)

    Source: Krizhevsky et al. (2012), section 3.3, with alpha divided by size as in PyTorch and Caffe.
    """

    def __init__(
        self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0, data_format: str = "NCHW"
    ) -> None:
        super().__init__()
        if not size >= 1:
            raise ShapeError(f"LocalResponseNorm: size must be >= 1, got {size!r}.")
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k
        self.data_format = check_format(self, data_format)

    def _count(self):
        return self.size

    def _check(self, x):
        if x.ndim < 3:
            raise ShapeError(f"{self!r} takes {shown(self, (), 'channels', '*places')[0]}, got {x.shape}.")

    def _window(self, v, adjoint):
        before, after = self.size // 2, (self.size - 1) // 2
        return _shifted_sum(v, 1, after if adjoint else before, before if adjoint else after)


class WithinChannelLRN(_LocalNorm):
    """``y = x / (1 + alpha / size**2 * s)**beta``, ``s`` the sum of squares of the ``size`` by ``size`` places around.

    Shapes
    ------
    input, output  (batch, channels, height, width)

    Source: Caffe's LRN layer, WITHIN_CHANNEL.
    """

    k = 1.0

    def __init__(
        self, size: int = 5, alpha: float = 1.0, beta: float = 0.75, data_format: str = "NCHW"
    ) -> None:
        super().__init__()
        if not (size >= 1 and size % 2):
            raise ShapeError(f"WithinChannelLRN: size must be odd, got {size!r}.")
        self.size, self.alpha, self.beta = size, alpha, beta
        self.data_format = check_format(self, data_format)

    def _count(self):
        return self.size**2

    def _check(self, x):
        check_pictures(self, x, 2)

    def _window(self, v, adjoint):
        half = self.size // 2
        return _shifted_sum(_shifted_sum(v, 2, half, half), 3, half, half)


def _shifted_sum(v, axis, before, after):
    """``y[i] = sum of v[i - before .. i + after]`` along ``axis``; what lies outside is zero."""
    y = np.zeros_like(v)
    source, target, n = np.moveaxis(v, axis, 0), np.moveaxis(y, axis, 0), v.shape[axis]
    for d in range(-before, after + 1):
        a, b = max(0, -d), min(n, n - d)
        if b > a:
            target[a:b] += source[a + d : b + d]
    return y


class _Blur:
    """The weighted mean of all channels around each place, with the weights that fall outside left out."""

    def __init__(self, layer, kernel) -> None:
        kernel = np.ones((9, 9)) if kernel is None else np.asarray(kernel, np.float64)
        kernel = np.outer(kernel, kernel) if kernel.ndim == 1 else kernel
        if kernel.ndim != 2 or not all(n % 2 for n in kernel.shape) or not kernel.sum() > 0:
            raise ShapeError(f"{type(layer).__name__}: kernel has one or two axes of odd size, got {kernel.shape}.")
        self.kernel = kernel / kernel.sum()

    def __call__(self, v, adjoint=False):
        """``(batch, height, width)`` blurred, zeros around; the adjoint with ``adjoint``."""
        y = np.zeros_like(v)
        height, width = v.shape[1:]
        for (i, j), w in np.ndenumerate(self.kernel):
            d, e = i - self.kernel.shape[0] // 2, j - self.kernel.shape[1] // 2
            d, e = (-d, -e) if adjoint else (d, e)
            if abs(d) >= height or abs(e) >= width:
                continue
            a, b = slice(max(0, -d), height - max(0, d)), slice(max(0, -e), width - max(0, e))
            s, t = slice(max(0, d), height - max(0, -d)), slice(max(0, e), width - max(0, -e))
            y[:, a, b] += v[:, s, t] * v.dtype.type(w)
        return y

    def inside(self, v):
        """How much of the weight lies inside the picture, ``(1, height, width)``."""
        return self(np.ones((1, *v.shape[1:]), v.dtype))


class _Neighbourhood(Layer):
    def __init__(self, channels: int, kernel=None) -> None:
        super().__init__()
        self.channels, self.kernel = channels, None if kernel is None else np.asarray(kernel)
        self._blur = _Blur(self, kernel)

    def _mean(self, v):
        """The mean over channels, ``(batch, height, width)``, summed in order of channels."""
        return np.ascontiguousarray(np.moveaxis(v, 1, -1)).sum(-1) / v.dtype.type(self.channels)


class SubtractiveNorm(_Neighbourhood):
    """``y = x - mean``, the weighted mean of all channels around each place (``kernel``: 9 by 9 ones by default).

    Shapes
    ------
    input, output  (batch, channels, height, width)
    kernel         (size,) (its outer product is taken) or (height, width), of odd sizes

    Source: Jarrett et al. (2009), section 2; Torch7's nn.SpatialSubtractiveNormalization.
    """

    def forward(self, x, ctx):
        check_pictures(self, x, 2, self.channels)
        mean = self._mean(x)
        return x - (self._blur(mean) / self._blur.inside(mean))[:, None]

    def backward(self, dy, ctx):
        total = np.ascontiguousarray(np.moveaxis(dy, 1, -1)).sum(-1)
        back = self._blur(total / self._blur.inside(total), adjoint=True)
        return dy - (back / dy.dtype.type(self.channels))[:, None]


class DivisiveNorm(_Neighbourhood):
    """``y = x / max(deviation, threshold)``, the root of the weighted mean of squares of all channels around.

    Deviations up to ``threshold`` count as ``fill`` (the threshold itself by default).

    Shapes
    ------
    input, output  (batch, channels, height, width)
    kernel         (size,) or (height, width), of odd sizes; 9 by 9 ones by default

    Source: Jarrett et al. (2009), section 2; Torch7's nn.SpatialDivisiveNormalization.
    """

    def __init__(self, channels: int, kernel=None, threshold: float = 1e-4, fill: float | None = None) -> None:
        super().__init__(channels, kernel)
        self.threshold, self.fill = threshold, fill

    def forward(self, x, ctx):
        check_pictures(self, x, 2, self.channels)
        mean = self._mean(x * x)
        root = np.sqrt(self._blur(mean))
        deviation = root / self._blur.inside(mean)
        free = deviation > self.threshold
        fill = self.threshold if self.fill is None else self.fill
        deviation = np.where(free, deviation, x.dtype.type(fill))
        ctx.save(x, root, deviation, free)
        return x / deviation[:, None]

    def backward(self, dy, ctx):
        x, root, deviation, free = ctx.saved
        total = -np.ascontiguousarray(np.moveaxis(dy * x, 1, -1)).sum(-1) / (deviation * deviation)
        slope = np.where(free, total / self._blur.inside(root), 0)
        back = self._blur(np.divide(slope, 2 * root, out=np.zeros_like(root), where=root > 0), adjoint=True)
        return dy / deviation[:, None] + (back * dy.dtype.type(2 / self.channels))[:, None] * x


class ContrastiveNorm(_Neighbourhood):
    """SubtractiveNorm, then DivisiveNorm, with one kernel.

    Shapes
    ------
    input, output  (batch, channels, height, width)
    kernel         (size,) or (height, width), of odd sizes; 9 by 9 ones by default

    Source: Torch7's nn.SpatialContrastiveNormalization.
    """

    def __init__(self, channels: int, kernel=None, threshold: float = 1e-4, fill: float | None = None) -> None:
        super().__init__(channels, kernel)
        self.threshold, self.fill = threshold, fill

    def _parts(self):
        return SubtractiveNorm(self.channels, self.kernel), DivisiveNorm(
            self.channels, self.kernel, self.threshold, self.fill
        )

    def forward(self, x, ctx):
        first, second = self._parts()
        return second.forward(first.forward(x, ctx=ctx), ctx=ctx)

    def backward(self, dy, ctx):
        first, second = self._parts()
        return first.backward(second.backward(dy, ctx=ctx), ctx=ctx)
