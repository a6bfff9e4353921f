"""Largest values and means of windows, and their gradients, over channels-last volumes.

    largest(y, index, x, windows)           index: which place of the window won, the first of equal ones; NaN wins
    largest_gradient(dx, dy, index, windows)
    mean(y, x, divisors, windows)           sums over what lies in the picture, divided by ``divisors`` (places of y)
    mean_gradient(dx, dy, divisors, windows)

``x`` and ``dx`` are (batch, depth, height, width, channels), ``y`` and ``dy`` likewise with as many places as there are
windows, all C contiguous; pictures have depth 1. ``windows`` (4, 3) int64 has rows kernel, stride, padding before and
dilation. Each window is computed by one thread in a fixed order.
"""

from __future__ import annotations

import numpy as np

from sparkdl.kernel import njit, numba

prange = numba().prange


@njit(parallel=True)
def largest(y, index, x, windows):
    kernel, stride, pad, dilation = windows[0], windows[1], windows[2], windows[3]
    batch, depth, height, width, channels = x.shape
    for line in prange(batch * y.shape[1] * y.shape[2]):
        n, i, j = line // (y.shape[1] * y.shape[2]), line // y.shape[2] % y.shape[1], line % y.shape[2]
        for k in range(y.shape[3]):
            best, where = y[n, i, j, k], index[n, i, j, k]
            seen = False
            for t in range(kernel[0] * kernel[1] * kernel[2]):
                a = i * stride[0] - pad[0] + t // (kernel[1] * kernel[2]) * dilation[0]
                b = j * stride[1] - pad[1] + t // kernel[2] % kernel[1] * dilation[1]
                c = k * stride[2] - pad[2] + t % kernel[2] * dilation[2]
                if a < 0 or a >= depth or b < 0 or b >= height or c < 0 or c >= width:
                    continue
                values = x[n, a, b, c]
                if not seen:
                    for m in range(channels):
                        best[m] = values[m]
                        where[m] = t
                    seen = True
                else:
                    for m in range(channels):
                        better = values[m] > best[m] or (values[m] != values[m] and best[m] == best[m])
                        best[m] = values[m] if better else best[m]
                        where[m] = t if better else where[m]


@njit(parallel=True)
def largest_gradient(dx, dy, index, windows):
    kernel, stride, pad, dilation = windows[0], windows[1], windows[2], windows[3]
    batch, depth, height, width, channels = dx.shape
    zero = dx.dtype.type(0)
    for n in prange(batch):
        dx[n] = zero
        for o in range(dy.shape[1] * dy.shape[2] * dy.shape[3]):
            i, j, k = o // (dy.shape[2] * dy.shape[3]), o // dy.shape[3] % dy.shape[2], o % dy.shape[3]
            slopes, where = dy[n, i, j, k], index[n, i, j, k]
            for t in range(kernel[0] * kernel[1] * kernel[2]):
                a = i * stride[0] - pad[0] + t // (kernel[1] * kernel[2]) * dilation[0]
                b = j * stride[1] - pad[1] + t // kernel[2] % kernel[1] * dilation[1]
                c = k * stride[2] - pad[2] + t % kernel[2] * dilation[2]
                if a < 0 or a >= depth or b < 0 or b >= height or c < 0 or c >= width:
                    continue
                into = dx[n, a, b, c]
                for m in range(channels):
                    into[m] += slopes[m] if where[m] == t else zero


@njit(parallel=True)
def mean(y, x, divisors, windows):
    kernel, stride, pad = windows[0], windows[1], windows[2]
    batch, depth, height, width, channels = x.shape
    zero = y.dtype.type(0)
    for line in prange(batch * y.shape[1] * y.shape[2]):
        n, i, j = line // (y.shape[1] * y.shape[2]), line // y.shape[2] % y.shape[1], line % y.shape[2]
        for k in range(y.shape[3]):
            total = y[n, i, j, k]
            total[:] = zero
            first, second, third = i * stride[0] - pad[0], j * stride[1] - pad[1], k * stride[2] - pad[2]
            for a in range(max(first, 0), min(first + kernel[0], depth)):
                for b in range(max(second, 0), min(second + kernel[1], height)):
                    for c in range(max(third, 0), min(third + kernel[2], width)):
                        values = x[n, a, b, c]
                        for m in range(channels):
                            total[m] += values[m]
            divisor = divisors[i, j, k]
            for m in range(channels):
                total[m] /= divisor


@njit(parallel=True)
def mean_gradient(dx, dy, divisors, windows):
    kernel, stride, pad = windows[0], windows[1], windows[2]
    batch, depth, height, width, channels = dx.shape
    for n in prange(batch):
        dx[n] = dx.dtype.type(0)
        share = np.empty(channels, dx.dtype)
        for o in range(dy.shape[1] * dy.shape[2] * dy.shape[3]):
            i, j, k = o // (dy.shape[2] * dy.shape[3]), o // dy.shape[3] % dy.shape[2], o % dy.shape[3]
            for m in range(channels):
                share[m] = dy[n, i, j, k, m] / divisors[i, j, k]
            first, second, third = i * stride[0] - pad[0], j * stride[1] - pad[1], k * stride[2] - pad[2]
            for a in range(max(first, 0), min(first + kernel[0], depth)):
                for b in range(max(second, 0), min(second + kernel[1], height)):
                    for c in range(max(third, 0), min(third + kernel[2], width)):
                        into = dx[n, a, b, c]
                        for m in range(channels):
                            into[m] += share[m]
