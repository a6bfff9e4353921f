"""A weight array: what the user sees has PyTorch's shape, what kernels see has the layout they like."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparkdl.errors import ShapeError


class Parameter:
    """One array of weights.

    ``data`` and ``grad`` are in kernel layout: ``data = value.transpose(axes)``, contiguous. ``value`` is the view of
    ``data`` in PyTorch's shape, and assigning to it copies. ``grad`` exists once a model has been made flat.
    """

    __slots__ = ("data", "grad", "axes", "trainable", "touched")

    def __init__(self, value: Any, axes: tuple[int, ...] | None = None, trainable: bool = True) -> None:
        value = np.asarray(value)
        if value.dtype.kind != "f":
            value = value.astype(np.float32)
        self.axes = tuple(range(value.ndim)) if axes is None else tuple(axes)
        if sorted(self.axes) != list(range(value.ndim)):
            raise ShapeError(f"Parameter: axes {axes} do not permute an array of shape {value.shape}.")
        self.data = np.ascontiguousarray(value.transpose(self.axes))
        self.grad: np.ndarray | None = None
        self.trainable = trainable
        self.touched = False  # whether this gradient holds something since the last zero_grad

    def _seen(self, array: np.ndarray) -> np.ndarray:
        return array.transpose(np.argsort(self.axes)) if array.ndim else array

    @property
    def value(self) -> np.ndarray:
        """The weights in PyTorch's shape (a view)."""
        return self._seen(self.data)

    @value.setter
    def value(self, new: Any) -> None:
        new = np.asarray(new)
        if new.shape != self.shape:
            raise ShapeError(f"a parameter of shape {self.shape} cannot take an array of shape {new.shape}.")
        self.value[...] = new

    @property
    def gradient(self) -> np.ndarray | None:
        """The gradient in PyTorch's shape (a view), or None before the first backward."""
        return None if self.grad is None else self._seen(self.grad)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @property
    def size(self) -> int:
        return self.data.size

    @property
    def dtype(self) -> np.dtype:
        return self.data.dtype

    def __reduce__(self) -> tuple:
        return Parameter, (np.ascontiguousarray(self.value), self.axes, self.trainable)

    def __repr__(self) -> str:
        return f"Parameter(shape={self.shape}, dtype={self.dtype}{'' if self.trainable else ', frozen'})"
