"""Numbers of 16 bits that NumPy does not know."""

from __future__ import annotations

import numpy as np


def bfloat16(bits: np.ndarray) -> np.ndarray:
    """bfloat16, given as its 16 bits, as float32."""
    return (bits.astype(np.uint32) << 16).view(np.float32)
