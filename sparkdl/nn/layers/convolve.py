"""One convolution for all ranks, over the kernels for pictures.

A sequence is a picture of height 1. A volume is convolved slice by slice: each depth of the kernel is a convolution of
pictures, and their results are added up in order of depth.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from sparkdl.nn.kernels import conv
from sparkdl.nn.layers.windows import Windows


def forward(
    y: np.ndarray, x: np.ndarray, w: np.ndarray, bias: np.ndarray | None, windows: Windows, groups: int
) -> None:
    """``y`` becomes the convolution of ``x`` (batch, channels, *places) by ``w`` (*kernel, in / groups, out)."""
    if x.ndim < 5:
        conv.forward(_flat(y), _flat(x), _flat_kernel(w), bias, *_options(windows), groups)
        return
    y[...] = 0 if bias is None else bias.reshape(-1, 1, 1, 1)
    part = np.empty(y.shape[:2] + y.shape[3:], y.dtype)
    for k, into, source in _depths(windows, x.shape[2], y.shape[2]):
        for i, j in zip(into, source, strict=True):
            conv.forward(part, x[:, :, j], w[k], None, *_options(windows), groups)
            y[:, :, i] += part


def backward_data(dx: np.ndarray, dy: np.ndarray, w: np.ndarray, windows: Windows, groups: int) -> None:
    """``dx`` becomes the gradient of the input: also the forward of a transposed convolution."""
    if dx.ndim < 5:
        conv.backward_data(_flat(dx), _flat(dy), _flat_kernel(w), *_options(windows), groups)
        return
    dx.fill(0)
    part = np.empty(dx.shape[:2] + dx.shape[3:], dx.dtype)
    for k, into, source in _depths(windows, dx.shape[2], dy.shape[2]):
        for i, j in zip(into, source, strict=True):
            conv.backward_data(part, dy[:, :, i], w[k], *_options(windows), groups)
            dx[:, :, j] += part


def backward_weights(
    dw: np.ndarray, x: np.ndarray, dy: np.ndarray, bounds: np.ndarray, windows: Windows, groups: int
) -> None:
    """``dw`` becomes the gradient of the weights over the leaves that ``bounds`` cuts (for volumes, of one leaf)."""
    if x.ndim < 5:
        conv.backward_weights(_flat_kernel(dw), _flat(x), _flat(dy), bounds, *_options(windows), groups)
        return
    dw.fill(0)
    part = np.empty_like(dw[0])
    for k, into, source in _depths(windows, x.shape[2], dy.shape[2]):
        for i, j in zip(into, source, strict=True):
            conv.backward_weights(part, x[:, :, j], dy[:, :, i], bounds, *_options(windows), groups)
            dw[k] += part


def backward_bias(db: np.ndarray, dy: np.ndarray, bounds: np.ndarray) -> None:
    """``db`` becomes the gradient of the bias over the leaves that ``bounds`` cuts."""
    if dy.ndim < 5:
        conv.backward_bias(db, _flat(dy), bounds)
    else:
        conv.backward_bias(db, dy.reshape(*dy.shape[:3], dy.shape[3] * dy.shape[4]), bounds)


def _flat(x: np.ndarray) -> np.ndarray:
    return x[:, :, None] if x.ndim == 3 else x


def _flat_kernel(w: np.ndarray) -> np.ndarray:
    return w[None] if w.ndim == 3 else w


def _options(windows: Windows) -> tuple[Any, Any, Any]:
    """Stride, padding and dilation along the last two axes."""
    if len(windows.kernel) == 1:
        return (1, *windows.stride), ((0, 0), windows.pads[0]), (1, *windows.dilation)
    return windows.stride[-2:], windows.pads[-2:], windows.dilation[-2:]


def _depths(windows: Windows, depth: int, out: int) -> Iterator[tuple[int, list[int], list[int]]]:
    """Each depth of the kernel with the slices that it adds to and the slices that these read there."""
    for k in range(windows.kernel[0]):
        first = k * windows.dilation[0] - windows.pads[0][0]
        into = [i for i in range(out) if 0 <= i * windows.stride[0] + first < depth]
        yield k, into, [i * windows.stride[0] + first for i in into]


def add_gradients(ctx, layer, gradient, dy) -> None:  # type: ignore[no-untyped-def]
    """Adds to the gradients of ``layer``'s weight, by ``gradient(out, bounds)``, and of its bias."""
    if dy.ndim < 5:
        ctx.grad_tree(layer.weight, gradient)
    else:  # sums over slices come before sums over leaves
        ctx.grad(layer.weight, lambda w, rows: gradient(w, np.array([rows.start, rows.stop])))
    if layer.bias is not None:
        ctx.grad_tree(layer.bias, lambda b, bounds: backward_bias(b, dy, bounds))
