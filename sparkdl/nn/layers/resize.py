"""Other numbers of places, by repeating or interpolating, and by trading channels for places."""

from __future__ import annotations

from functools import reduce

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.layers.layout import check_format, either_layout, last, shown
from sparkdl.nn.module import Layer

MODES = {"nearest": None, "linear": 1, "bilinear": 2, "trilinear": 3, "bicubic": 2}


class Upsample(Layer):
    """Each place of the output is interpolated between places of the input, axis by axis.

    ``mode`` is "nearest" (input of any rank), "linear", "bilinear", "trilinear" or "bicubic" (one, two, three, two axes
    of places). Give ``size`` or ``scale_factor``, for all axes or one per axis. With ``align_corners`` the corners'
    centres meet, else their outer edges; "nearest" takes place ``floor(i * n / m)``. By
    ``data_format="NHWC"`` channels come last.

    Shapes
    ------
    input   (batch, channels, *places)
    output  (batch, channels, *size)
    """

    def __init__(
        self, size=None, scale_factor=None, mode: str = "nearest", align_corners: bool = False,
        data_format: str = "NCHW",
    ) -> None:
        super().__init__()
        self.data_format = check_format(self, data_format)
        if (size is None) == (scale_factor is None):
            raise ShapeError(f"{type(self).__name__}: give size or scale_factor, got {size!r} and {scale_factor!r}.")
        if mode not in MODES:
            raise ValueError(f"{type(self).__name__}: mode is one of {', '.join(MODES)}, got {mode!r}.")
        self.size, self.scale_factor, self.mode, self.align_corners = size, scale_factor, mode, align_corners

    def _sizes(self, x):
        rank = x.ndim - 2
        if rank < 1 or (MODES[self.mode] is not None and rank != MODES[self.mode]):
            raise ShapeError(f"{self!r} takes (batch, channels, *places) of that mode's rank, got {x.shape}.")
        given = self.size if self.size is not None else self.scale_factor
        each = (given,) * rank if np.ndim(given) == 0 else tuple(given)
        if len(each) != rank:
            raise ShapeError(f"{self!r}: {len(each)} sizes do not fit an input of shape {x.shape}.")
        if self.size is not None:
            return tuple(int(n) for n in each), (None,) * rank
        return tuple(int(n * f) for n, f in zip(x.shape[2:], each, strict=True)), each

    def _taps(self, n: int, m: int, factor) -> list[tuple[np.ndarray, np.ndarray]]:
        """``(places, weights)``, m each: the output is the sum of the input at these places times these weights."""
        i = np.arange(m)
        step = n / m if factor is None else 1 / factor
        if self.mode == "nearest":
            return [(np.minimum((i * step).astype(np.int64), n - 1), np.ones(m))]
        if self.align_corners:
            at = i * ((n - 1) / (m - 1) if m > 1 else 0)
        else:
            at = (i + 0.5) * step - 0.5
            at = at if self.mode == "bicubic" else np.maximum(at, 0)
        low = np.floor(at).astype(np.int64)
        t = at - low
        weights = {0: 1 - t, 1: t} if self.mode != "bicubic" else {k: _cubic(t - k) for k in (-1, 0, 1, 2)}
        return [(np.clip(low + k, 0, n - 1), w) for k, w in weights.items()]

    @either_layout
    def forward(self, x, ctx):
        wanted, factors = self._sizes(x)
        ctx.save(x.shape, wanted, factors)
        v = np.ascontiguousarray(last(x))
        for axis, (m, factor) in enumerate(zip(wanted, factors, strict=True), start=1):
            taps = self._taps(v.shape[axis], m, factor)
            parts = [v.take(places, axis) for places, _ in taps]
            if self.mode != "nearest":
                for part, (_, weights) in zip(parts, taps, strict=True):
                    part *= _along(weights, part, axis)
            v = reduce(np.add, parts)
        return np.moveaxis(v, -1, 1)

    @either_layout
    def backward(self, dy, ctx):
        shape, wanted, factors = ctx.saved
        g = np.ascontiguousarray(last(dy))
        for axis in reversed(range(1, g.ndim - 1)):
            taps = self._taps(shape[axis + 1], wanted[axis - 1], factors[axis - 1])
            dx = np.zeros((*g.shape[:axis], shape[axis + 1], *g.shape[axis + 1 :]), g.dtype)
            target, source = np.moveaxis(dx, axis, 0), np.moveaxis(g, axis, 0)
            for places, weights in taps:
                for i, (place, w) in enumerate(zip(places, weights, strict=True)):
                    target[place] += source[i] if w == 1 else source[i] * g.dtype.type(w)
            g = dx
        return np.moveaxis(g, -1, 1)


def _along(w, x, axis):
    return w.astype(x.dtype).reshape(-1, *[1] * (x.ndim - axis - 1))


def _cubic(t, a=-0.75):
    """Keys's cubic kernel (1981, equation 4), with the a of PyTorch and OpenCV."""
    t = np.abs(t)
    near = ((a + 2) * t - (a + 3)) * t * t + 1
    far = a * (((t - 5) * t + 8) * t - 4)
    return np.where(t <= 1, near, np.where(t < 2, far, 0))


class ResizeBilinear(Upsample):
    """Pictures of ``size`` (height, width), interpolated between four neighbours.  Source: as Upsample, bilinear."""

    def __init__(self, size, align_corners: bool = False, data_format: str = "NCHW") -> None:
        super().__init__(size, None, "bilinear", align_corners, data_format)


class PixelShuffle(Layer):
    """Channels become places: ``y[c, h r + i, w r + j] = x[c r r + i r + j, h, w]``.

    Source: Shi et al. (2016), equation 4.

    Shapes
    ------
    input   (batch, channels * r * r, height, width), or channels last with ``data_format="NHWC"``
    output  (batch, channels, height * r, width * r)
    """

    integers = True

    def __init__(self, upscale_factor: int, data_format: str = "NCHW") -> None:
        super().__init__()
        if not upscale_factor >= 1:
            raise ShapeError(f"PixelShuffle: upscale_factor must be >= 1, got {upscale_factor!r}.")
        self.upscale_factor, self.data_format = upscale_factor, data_format

    @either_layout
    def forward(self, x, ctx):
        r = self.upscale_factor
        if x.ndim != 4 or x.shape[1] % (r * r):
            wanted, got = shown(self, x.shape, f"channels * {r * r}", "height, width")
            raise ShapeError(f"{self!r} takes {wanted}, got {got}.")
        return _to_places(x, r)

    @either_layout
    def backward(self, dy, ctx):
        return _to_channels(dy, self.upscale_factor)


class PixelUnshuffle(Layer):
    """Places become channels: undoes PixelShuffle.

    Shapes
    ------
    input   (batch, channels, height * r, width * r), or channels last with ``data_format="NHWC"``
    output  (batch, channels * r * r, height, width)
    """

    integers = True

    def __init__(self, downscale_factor: int, data_format: str = "NCHW") -> None:
        super().__init__()
        if not downscale_factor >= 1:
            raise ShapeError(f"PixelUnshuffle: downscale_factor must be >= 1, got {downscale_factor!r}.")
        self.downscale_factor, self.data_format = downscale_factor, data_format

    @either_layout
    def forward(self, x, ctx):
        r = self.downscale_factor
        if x.ndim != 4 or x.shape[2] % r or x.shape[3] % r:
            wanted, got = shown(self, x.shape, "channels", f"height * {r}, width * {r}")
            raise ShapeError(f"{self!r} takes {wanted}, got {got}.")
        return _to_channels(x, r)

    @either_layout
    def backward(self, dy, ctx):
        return _to_places(dy, self.downscale_factor)


def _to_places(x, r):
    n, c, h, w = x.shape
    return x.reshape(n, c // (r * r), r, r, h, w).transpose(0, 1, 4, 2, 5, 3).reshape(n, c // (r * r), h * r, w * r)


def _to_channels(x, r):
    n, c, h, w = x.shape
    return x.reshape(n, c, h // r, r, w // r, r).transpose(0, 1, 3, 5, 2, 4).reshape(n, c * r * r, h // r, w // r)
