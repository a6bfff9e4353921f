"""Layers that only move, take or repeat values along the axes of a sample."""

from __future__ import annotations

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.module import Layer


def axis_of(layer: Layer, x: np.ndarray, dim: int, new: int = 0) -> int:
    """``dim`` as an axis of ``x`` other than the batch; ``new`` counts axes that are about to be added."""
    axis = dim + x.ndim + new if dim < 0 else dim
    if not 1 <= axis < x.ndim + new:
        raise ShapeError(f"{layer!r}: an array of shape {x.shape} has no axis {dim} beside the batch, which is axis 0.")
    return axis


class Transpose(Layer):
    """Axes ``dim0`` and ``dim1`` change places. Nothing is copied."""

    integers = True

    def __init__(self, dim0: int, dim1: int) -> None:
        super().__init__()
        self.dim0, self.dim1 = dim0, dim1

    def forward(self, x, ctx):
        return x.swapaxes(axis_of(self, x, self.dim0), axis_of(self, x, self.dim1))

    def backward(self, dy, ctx):
        return dy.swapaxes(self.dim0, self.dim1)


class Squeeze(Layer):
    """Axis ``dim`` of size 1 goes; all such axes but the batch, if ``dim`` is None."""

    integers = True

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x, ctx):
        ctx.save(x.shape)
        if self.dim is None:
            return x.reshape(len(x), *(n for n in x.shape[1:] if n != 1))
        axis = axis_of(self, x, self.dim)
        if x.shape[axis] != 1:
            raise ShapeError(f"{self!r}: axis {axis} of an array of shape {x.shape} is not of size 1.")
        return x.squeeze(axis)

    def backward(self, dy, ctx):
        return dy.reshape(ctx.saved[0])


class Unsqueeze(Layer):
    """A new axis of size 1 at ``dim``."""

    integers = True

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x, ctx):
        axis = axis_of(self, x, self.dim, new=1)
        ctx.save(axis)
        return np.expand_dims(x, axis)

    def backward(self, dy, ctx):
        return dy.squeeze(ctx.saved[0])


class Select(Layer):
    """Entry ``index`` along axis ``dim``, which goes."""

    integers = True

    def __init__(self, dim: int, index: int) -> None:
        super().__init__()
        self.dim, self.index = dim, index

    def forward(self, x, ctx):
        axis = axis_of(self, x, self.dim)
        if not -x.shape[axis] <= self.index < x.shape[axis]:
            raise ShapeError(f"{self!r}: axis {axis} of an array of shape {x.shape} has no entry {self.index}.")
        ctx.save(x.shape, axis)
        return x.take(self.index, axis)

    def backward(self, dy, ctx):
        shape, axis = ctx.saved
        dx = np.zeros(shape, dy.dtype)
        np.moveaxis(dx, axis, 0)[self.index] = dy
        return dx


class Narrow(Layer):
    """``length`` entries from ``start`` on along axis ``dim``; a length of -1 goes to the end, -2 to the one before."""

    integers = True

    def __init__(self, dim: int, start: int, length: int = 1) -> None:
        super().__init__()
        self.dim, self.start, self.length = dim, start, length

    def forward(self, x, ctx):
        axis = axis_of(self, x, self.dim)
        n = x.shape[axis]
        first = self.start % n if -n <= self.start < n else n
        stop = first + self.length if self.length >= 0 else n + self.length + 1
        if not first < stop <= n:
            raise ShapeError(f"{self!r} does not fit axis {axis} of an array of shape {x.shape}.")
        kept = (slice(None),) * axis + (slice(first, stop),)
        ctx.save(x.shape, kept)
        return x[kept]

    def backward(self, dy, ctx):
        shape, kept = ctx.saved
        dx = np.zeros(shape, dy.dtype)
        dx[kept] = dy
        return dx


class Index(Layer):
    """``y[n, j] = x[n, places[n, j]]``: each sample's own choice along axis 1.

    Shapes
    ------
    inputs  (batch, size, *) and places (batch, m), whole numbers 0 .. size - 1
    output  (batch, m, *)
    """

    integers = True

    def forward(self, x, places, ctx):
        if x.ndim < 2 or places.ndim != 2:
            raise ShapeError(f"{self!r} takes (batch, size, *) and places (batch, m), got {x.shape}, {places.shape}.")
        places = places.astype(np.int64)
        if places.size and not (0 <= places.min() and places.max() < x.shape[1]):
            raise ShapeError(f"{self!r}: places run from 0 to {x.shape[1] - 1}, got {places.min()} to {places.max()}.")
        ctx.save(x.shape, places)
        return x[np.arange(len(x))[:, None], places]

    def backward(self, dy, ctx):
        shape, places = ctx.saved
        dx = np.zeros(shape, dy.dtype)
        np.add.at(dx, (np.arange(len(dx))[:, None], places), dy)
        return dx, None


class MaskedSelect(Layer):
    """The values of each sample where its mask is not 0, in order, as vectors of ``size``.

    What is over is cut off, what is missing is filled with ``fill``: a batch needs samples of one size.

    Shapes
    ------
    inputs  values (batch, *) and a mask of the same shape, which gets no gradient
    output  (batch, size)
    """

    def __init__(self, size: int, fill: float = 0.0) -> None:
        super().__init__()
        if not size >= 1:
            raise ShapeError(f"MaskedSelect: size must be >= 1, got {size!r}.")
        self.size, self.fill = size, fill

    def forward(self, x, mask, ctx):
        if x.shape != mask.shape or x.ndim < 2:
            raise ShapeError(f"{self!r} takes values and a mask of one shape, got {x.shape} and {mask.shape}.")
        width = int(np.prod(x.shape[1:]))
        values, chosen = x.reshape(len(x), width), mask.reshape(len(x), width) != 0
        order = np.argsort(~chosen, axis=1, kind="stable")[:, : self.size]
        there = np.take_along_axis(chosen, order, 1)
        y = ctx.empty((len(x), self.size))
        y.fill(self.fill)
        y[:, : order.shape[1]] = np.where(there, np.take_along_axis(values, order, 1), x.dtype.type(self.fill))
        ctx.save(x.shape, order, there)
        return y

    def backward(self, dy, ctx):
        shape, order, there = ctx.saved
        dx = np.zeros((shape[0], int(np.prod(shape[1:]))), dy.dtype)
        np.put_along_axis(dx, order, np.where(there, dy[:, : order.shape[1]], 0), 1)
        return dx.reshape(shape), None


class Masking(Layer):
    """Steps of a sequence in which every feature equals ``mask_value`` become zeros.

    Shapes
    ------
    input, output  (batch, steps, features)
    """

    def __init__(self, mask_value: float = 0.0) -> None:
        super().__init__()
        self.mask_value = mask_value

    def forward(self, x, ctx):
        if x.ndim != 3:
            raise ShapeError(f"{self!r} takes (batch, steps, features), got {x.shape}.")
        kept = (x != x.dtype.type(self.mask_value)).any(2, keepdims=True)
        ctx.save(kept)
        return np.where(kept, x, 0)

    def backward(self, dy, ctx):
        return np.where(ctx.saved[0], dy, 0)


class Replicate(Layer):
    """A new axis at ``dim`` along which the sample stands ``times`` times."""

    integers = True

    def __init__(self, times: int, dim: int = 1) -> None:
        super().__init__()
        if not times >= 1:
            raise ShapeError(f"Replicate: times must be >= 1, got {times!r}.")
        self.times, self.dim = times, dim

    def forward(self, x, ctx):
        axis = axis_of(self, x, self.dim, new=1)
        ctx.save(axis)
        return np.repeat(np.expand_dims(x, axis), self.times, axis)

    def backward(self, dy, ctx):
        return _added(dy, ctx.saved[0])


class Expand(Layer):
    """Axes of size 1 are stretched to ``shape`` (without the batch); -1 keeps an axis as it is."""

    integers = True

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = tuple(int(n) for n in shape)

    def forward(self, x, ctx):
        if len(self.shape) != x.ndim - 1 or any(
            n not in (-1, m) and m != 1 for n, m in zip(self.shape, x.shape[1:], strict=True)
        ):
            raise ShapeError(f"{self!r} does not fit the samples of an input of shape {x.shape}.")
        ctx.save(x.shape)
        wanted = tuple(m if n == -1 else n for n, m in zip(self.shape, x.shape[1:], strict=True))
        return np.broadcast_to(x, (len(x), *wanted)).copy()

    def backward(self, dy, ctx):
        (shape,) = ctx.saved
        for axis, n in enumerate(shape):
            if axis and n == 1 and dy.shape[axis] != 1:
                dy = np.expand_dims(_added(dy, axis), axis)
        return dy


def _added(dy, axis):
    """The sum along ``axis`` in order, slice by slice."""
    total = np.zeros(dy.shape[:axis] + dy.shape[axis + 1 :], dy.dtype)
    for part in np.moveaxis(dy, axis, 0):
        total += part
    return total


class Stack(Layer):
    """The inputs, of one shape, one after another along a new axis ``dim``."""

    integers = True

    def __init__(self, dim: int = 1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, *xs, ctx):
        if any(x.shape != xs[0].shape for x in xs):
            raise ShapeError(f"{self!r} takes inputs of one shape, got {[x.shape for x in xs]}.")
        axis = axis_of(self, xs[0], self.dim, new=1)
        ctx.save(axis)
        return np.stack(xs, axis)

    def backward(self, dy, ctx):
        (axis,) = ctx.saved
        return tuple(np.moveaxis(dy, axis, 0))


class Unbind(Layer):
    """Each of the ``size`` entries along axis ``dim`` as an output of its own; the axis goes."""

    integers = True

    def __init__(self, size: int, dim: int = 1) -> None:
        super().__init__()
        if not size >= 1:
            raise ShapeError(f"Unbind: size must be >= 1, got {size!r}.")
        self.size, self.dim = size, dim
        self.outputs = size

    def forward(self, x, ctx):
        axis = axis_of(self, x, self.dim)
        if x.shape[axis] != self.size:
            raise ShapeError(f"{self!r}: axis {axis} of an array of shape {x.shape} is not of size {self.size}.")
        ctx.save(axis)
        parts = tuple(np.moveaxis(x, axis, 0))
        return parts if self.size > 1 else parts[0]

    def backward(self, *dys, ctx):
        return np.stack(dys, ctx.saved[0])


class Echo(Layer):
    """``y = x``; prints ``message`` and the shape, each time that it runs."""

    integers = True

    def __init__(self, message: str = "") -> None:
        super().__init__()
        self.message = message

    def forward(self, x, ctx):
        print(f"{self.message or 'Echo'}: {x.shape} {x.dtype}")
        return x

    def backward(self, dy, ctx):
        return dy
