"""Borders that make windows give ``ceil(size / stride)`` places."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.layers.pad import Pad
from sparkdl.nn.module import Layer


def same_pads(sizes, kernel, stride, dilation, rule="tensorflow"):
    """``(before, after)`` per axis for windows over ``sizes``.

    ``tensorflow`` halves what is missing, the odd one behind; ``half`` (Theano's convolutions) puts ``kernel // 2`` in
    front, ``most`` (its pooling) ``kernel - 2`` (odd kernels) or ``kernel - 1``. Behind comes what is missing.
    """
    pads = []
    for n, k, s, d in zip(sizes, kernel, stride, dilation, strict=True):
        reach = d * (k - 1) + 1
        total = max((-(-n // s) - 1) * s + reach - n, 0)
        if rule == "tensorflow":
            before, after = total // 2, total - total // 2
        else:
            before = reach // 2 if rule == "half" else max(k - 2 if k % 2 else k - 1, 0)
            after = (-(-n // s) - 1) * s + reach - n - before
        pads.append((before, after))
    return tuple(pads)


class SamePad(Layer):
    """``value`` around the places of ``x``, as many as Keras's padding "same" asks for at this size.

    Shapes
    ------
    input   (batch, channels, *)
    output  (batch, channels, *), as long as ``ceil(size / stride)`` windows need

    Source: TensorFlow's padding "SAME"; for ``rule`` see ``same_pads``.
    """

    def __init__(self, kernel_size, stride, dilation=None, value: float = 0.0, rule: str = "tensorflow") -> None:
        super().__init__()
        self.kernel_size, self.stride = tuple(kernel_size), tuple(stride)
        self.dilation = (1,) * len(self.kernel_size) if dilation is None else tuple(dilation)
        self.value, self.rule = value, rule

    def _pad(self, shape):
        if len(shape) != len(self.kernel_size) + 2:
            raise ShapeError(f"{self!r} does not fit an array of shape {shape}.")
        return Pad(same_pads(shape[2:], self.kernel_size, self.stride, self.dilation, self.rule), self.value)

    def forward(self, x, ctx):
        return self._pad(x.shape).forward(x, ctx=ctx)

    def backward(self, dy, ctx):
        return self._pad(ctx.saved[0]).backward(dy, ctx=ctx)


class SameMeanCorrection(Layer):
    """Means of windows over ``x`` with a border of zeros, as means of what lies inside: ``y * window / inside``.

    Shapes
    ------
    inputs  means (batch, channels, *) of the padded array, and the array itself before padding
    output  that of the means
    """

    def __init__(self, kernel_size, stride, rule: str = "tensorflow") -> None:
        super().__init__()
        self.kernel_size, self.stride, self.rule = tuple(kernel_size), tuple(stride), rule

    def forward(self, means, x, ctx):
        if not means.ndim == x.ndim == len(self.kernel_size) + 2 or means.shape[:2] != x.shape[:2]:
            raise ShapeError(f"{self!r} takes means and the array of windows, got {means.shape} and {x.shape}.")
        ones = (1,) * len(self.kernel_size)
        factor = np.ones((), means.dtype)
        pads = same_pads(x.shape[2:], self.kernel_size, self.stride, ones, self.rule)
        each = zip(x.shape[2:], self.kernel_size, self.stride, pads, strict=True)
        for axis, (n, k, s, (before, _)) in enumerate(each):
            first = np.arange(means.shape[axis + 2]) * s - before
            inside = np.maximum(np.minimum(first + k, n) - np.maximum(first, 0), 1)
            factor = factor[..., None] * (k / inside).astype(means.dtype)
        ctx.save(factor)
        return means * factor

    def backward(self, dy, ctx):
        return dy * ctx.saved[0], None
