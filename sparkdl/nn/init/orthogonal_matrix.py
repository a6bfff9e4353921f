from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.rng import generator


def orthogonal(shape: Sequence[int], rng: Any = None, *, gain: float = 1.0, dtype: Any = np.float32) -> np.ndarray:
    """``gain`` times a random matrix with orthonormal rows or columns, whichever are fewer; axes past 0 are one.

    Source: Saxe et al. (2014).
    """
    if len(shape) < 2:
        raise ShapeError(f"orthogonal: shape must be (out, in, *kernel), got {tuple(shape)}.")
    rows, columns = shape[0], int(np.prod(shape[1:]))
    q, r = np.linalg.qr((rng or generator()).standard_normal((max(rows, columns), min(rows, columns))))
    q *= np.where(np.diag(r) < 0, -1, 1)  # or it would not be uniform among all such matrices
    return (gain * (q if rows >= columns else q.T)).reshape(shape).astype(dtype)
