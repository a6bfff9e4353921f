"""Penalties on weights, counted in the loss and in the gradient alike."""

from __future__ import annotations

import numpy as np

from sparkdl.optim import checks
from sparkdl.optim.config import Configured
from sparkdl.optim.sums import absolute_sums, square_sums


class Regularizer(Configured):
    """``penalty(w)`` is a sum over elements, float64; ``add_slope(g, w)`` adds its derivative to ``g`` in place."""

    def penalty(self, w: np.ndarray) -> float:
        raise NotImplementedError(f"{type(self).__name__} defines no penalty(w).")

    def penalties(self, w: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
        """The penalty of each piece ``w[starts[i]:stops[i]]``, float64."""
        return np.array([self.penalty(w[a:b]) for a, b in zip(starts, stops, strict=True)])

    def add_slope(self, g: np.ndarray, w: np.ndarray) -> None:
        raise NotImplementedError(f"{type(self).__name__} defines no add_slope(g, w).")


class L1L2(Regularizer):
    """``l1 * sum |w| + l2 * sum w^2``, as in Keras (where others write ``l2 / 2 * sum w^2``, halve their l2)."""

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1, self.l2 = l1, l2
        checks.not_negative(self, l1=l1, l2=l2)

    def penalty(self, w: np.ndarray) -> float:
        return float(self.penalties(w, np.array([0]), np.array([w.size]))[0])

    def penalties(self, w: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
        ones, squares = np.zeros(len(starts)), np.zeros(len(starts))
        if self.l1:
            absolute_sums(ones, w, starts, stops)
        if self.l2:
            square_sums(squares, w, starts, stops)
        return self.l1 * ones + self.l2 * squares

    def add_slope(self, g: np.ndarray, w: np.ndarray) -> None:
        real = w.dtype.type
        g += real(self.l1) * np.sign(w) + real(2 * self.l2) * w


class L1(L1L2):
    """``l1 * sum |w|``."""

    def __init__(self, l1: float) -> None:
        super().__init__(l1, 0.0)


class L2(L1L2):
    """``l2 * sum w^2``, as in Keras (where others write ``l2 / 2 * sum w^2``, halve their l2)."""

    def __init__(self, l2: float) -> None:
        super().__init__(0.0, l2)
