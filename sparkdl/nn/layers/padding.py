"""Padding and cropping of places."""

from __future__ import annotations

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.layers.borders import filled, filled_gradient
from sparkdl.nn.layers.layout import check_format, either_layout
from sparkdl.nn.layers.windows import check_pictures
from sparkdl.nn.module import Layer


class _Padding(Layer):
    """``padding`` is one number, or (left, right, top, bottom, front, back) as far as there are axes; below 0 crops."""

    integers = True
    rank: int

    def __init__(self, padding, data_format: str = "NCHW") -> None:
        super().__init__()
        self.padding, self.data_format = padding, check_format(self, data_format)
        flat = (padding,) * (2 * self.rank) if np.ndim(padding) == 0 else tuple(padding)
        if len(flat) != 2 * self.rank or any(n != int(n) for n in flat):
            raise ShapeError(f"{type(self).__name__}: padding is a number or {2 * self.rank} of them, got {padding!r}.")
        pairs = [(int(flat[i]), int(flat[i + 1])) for i in range(0, len(flat), 2)]
        self._pairs = tuple(reversed(pairs))  # in order of axes

    def _check(self, x):
        check_pictures(self, x, self.rank)
        for n, (a, b) in zip(x.shape[2:], self._pairs, strict=True):
            if n + a + b < 1 or n + min(a, 0) + min(b, 0) < 1:
                raise ShapeError(f"{self!r}: nothing is left of an input of shape {x.shape}.")


class _ConstantPad(_Padding):
    value = 0.0

    def _inside(self, x):
        """Where the input lies in the output, and which of it."""
        into = tuple(slice(max(a, 0), max(a, 0) + n + min(a, 0) + min(b, 0)) for n, (a, b) in self._sized(x))
        kept = tuple(slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in self._sized(x))
        return (..., *into), (..., *kept)

    def _sized(self, x):
        return zip(x.shape[2:], self._pairs, strict=True)

    @either_layout
    def forward(self, x, ctx):
        self._check(x)
        into, kept = self._inside(x)
        y = ctx.empty((*x.shape[:2], *(n + a + b for n, (a, b) in self._sized(x))), x.dtype)
        y.fill(self.value)
        y[into] = x[kept]
        ctx.save(x.shape, into, kept)
        return y

    @either_layout
    def backward(self, dy, ctx):
        shape, into, kept = ctx.saved
        dx = ctx.empty(shape)
        dx.fill(0)
        dx[kept] = dy[into]
        return dx


class _IndexPad(_Padding):
    """Padding that repeats values of the input, as ``mode`` says."""

    mode: str

    @either_layout
    def forward(self, x, ctx):
        self._check(x)
        ctx.save(x.shape[2:])
        return filled(self, x, self._pairs, self.mode)

    @either_layout
    def backward(self, dy, ctx):
        (places,) = ctx.saved
        return filled_gradient(self, dy, places, self._pairs, self.mode)


class _ReflectionPad(_IndexPad):
    mode = "reflect"


class _ReplicationPad(_IndexPad):
    mode = "replicate"


class _CircularPad(_IndexPad):
    mode = "circular"


class ConstantPad1d(_ConstantPad):
    """Adds places that hold ``value`` around sequences; ``padding`` is a number or (left, right)."""

    rank = 1

    def __init__(self, padding, value: float, data_format: str = "NCHW") -> None:
        super().__init__(padding, data_format)
        self.value = value


class ConstantPad2d(ConstantPad1d):
    """Adds places that hold ``value`` around pictures; ``padding`` is a number or (left, right, top, bottom)."""

    rank = 2


class ConstantPad3d(ConstantPad1d):
    """Adds places that hold ``value`` around volumes; (left, right, top, bottom, front, back) or a number."""

    rank = 3


class ZeroPad1d(_ConstantPad):
    """Adds zeros around sequences; ``padding`` is a number or (left, right), below 0 it crops."""

    rank = 1


class ZeroPad2d(_ConstantPad):
    """Adds zeros around pictures; ``padding`` is a number or (left, right, top, bottom), below 0 it crops."""

    rank = 2


class ZeroPad3d(_ConstantPad):
    """Adds zeros around volumes; ``padding`` is a number or (left, right, top, bottom, front, back)."""

    rank = 3


class ReflectionPad1d(_ReflectionPad):
    """Mirrors sequences at their ends, which are not repeated; ``padding`` is a number or (left, right)."""

    rank = 1


class ReflectionPad2d(_ReflectionPad):
    """Mirrors pictures at their edges, which are not repeated; (left, right, top, bottom) or a number."""

    rank = 2


class ReflectionPad3d(_ReflectionPad):
    """Mirrors volumes at their faces, which are not repeated; (left, right, top, bottom, front, back) or a number."""

    rank = 3


class ReplicationPad1d(_ReplicationPad):
    """Repeats the ends of sequences; ``padding`` is a number or (left, right)."""

    rank = 1


class ReplicationPad2d(_ReplicationPad):
    """Repeats the edges of pictures; ``padding`` is a number or (left, right, top, bottom)."""

    rank = 2


class ReplicationPad3d(_ReplicationPad):
    """Repeats the faces of volumes; ``padding`` is a number or (left, right, top, bottom, front, back)."""

    rank = 3


class CircularPad1d(_CircularPad):
    """Continues sequences with their other end; ``padding`` is a number or (left, right)."""

    rank = 1


class CircularPad2d(_CircularPad):
    """Continues pictures with their other side; ``padding`` is a number or (left, right, top, bottom)."""

    rank = 2


class CircularPad3d(_CircularPad):
    """Continues volumes with their other side; (left, right, top, bottom, front, back) or a number."""

    rank = 3


class _Crop(Layer):
    """Takes places away at both ends of each axis: ``cropping`` is a number, or a pair (before, after) per axis."""

    integers = True
    rank: int

    def __init__(self, cropping, data_format: str = "NCHW") -> None:
        super().__init__()
        self.cropping, self.data_format = cropping, check_format(self, data_format)
        pairs = [cropping] * self.rank if np.ndim(cropping) == 0 else list(cropping)
        pairs = [(p, p) if np.ndim(p) == 0 else tuple(p) for p in pairs]
        if len(pairs) != self.rank or any(len(p) != 2 or min(p) < 0 for p in pairs):
            name = type(self).__name__
            raise ShapeError(f"{name}: cropping is a number >= 0 or {self.rank} pairs of them, got {cropping!r}.")
        self._pairs = pairs

    @either_layout
    def forward(self, x, ctx):
        check_pictures(self, x, self.rank)
        if any(a + b >= n for n, (a, b) in zip(x.shape[2:], self._pairs, strict=True)):
            raise ShapeError(f"{self!r}: nothing is left of an input of shape {x.shape}.")
        kept = (..., *(slice(a, n - b) for n, (a, b) in zip(x.shape[2:], self._pairs, strict=True)))
        ctx.save(x.shape, kept)
        return x[kept]

    @either_layout
    def backward(self, dy, ctx):
        shape, kept = ctx.saved
        dx = ctx.empty(shape)
        dx.fill(0)
        dx[kept] = dy
        return dx


class Crop1d(_Crop):
    """Takes ``cropping`` places, a number or ((before, after),), away from sequences."""

    rank = 1


class Crop2d(_Crop):
    """Takes ``cropping`` places, a number or ((top, bottom), (left, right)), away from pictures."""

    rank = 2


class Crop3d(_Crop):
    """Takes ``cropping`` places, a number or ((front, back), (top, bottom), (left, right)), away from volumes."""

    rank = 3
