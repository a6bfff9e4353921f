from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sparkdl.errors import ShapeError


def bilinear(shape: Sequence[int], rng: Any = None, *, dtype: Any = np.float32) -> np.ndarray:
    """Every kernel (height, width) of a transposed convolution is a tent, so that it upsamples bilinearly.

    For that its kernel is ``2 s - s % 2`` at stride ``s``, padding ``ceil((s - 1) / 2)``, one group per channel.

    Source: Long et al. (2015), section 3.3, as in Caffe.
    """
    if len(shape) != 4:
        raise ShapeError(f"bilinear: shape must be (in, out, height, width), got {tuple(shape)}.")
    kernel = np.outer(_tent(shape[2]), _tent(shape[3]))
    return np.broadcast_to(kernel, shape).astype(dtype)


def _tent(size: int) -> np.ndarray:
    half = (size + 1) // 2
    return 1 - np.abs(np.arange(size) / half - (2 * half - 1 - half % 2) / (2 * half))
