"""A tensor of a Keras model: a value in the file's layout, in channels-first layout, or both."""

from __future__ import annotations

from sparkdl import nn
from sparkdl.importers import build
from sparkdl.importers.build import Value


class Tensor:
    """``plain`` has the axes of the file, ``moved`` the last axis at 1 (what layers over channels take).

    Each is made from the other when it is asked for, so that between two convolutions nothing is turned.
    ``mask`` (batch, time) tells which steps count, or is None.
    """

    def __init__(self, plain: Value | None = None, moved: Value | None = None, mask: Value | None = None) -> None:
        self._plain, self._moved, self.mask = plain, moved, mask

    @property
    def plain(self) -> Value:
        if self._plain is None:
            assert self._moved is not None
            rank = self._moved.ndim - 1
            self._plain = self._moved if rank < 2 else build.apply(nn.Permute((*range(2, rank + 1), 1)), [self._moved], "channels_last")
        return self._plain

    @property
    def moved(self) -> Value:
        if self._moved is None:
            assert self._plain is not None
            rank = self._plain.ndim - 1
            self._moved = self._plain if rank < 2 else build.apply(nn.Permute((rank, *range(1, rank))), [self._plain], "channels_first")
        return self._moved

    @property
    def is_moved(self) -> bool:
        """Whether the channels-first form is there without turning anything."""
        return self._moved is not None

    @property
    def some(self) -> Value:
        """The form that is there, for layers to which the order of axes is all one."""
        return self._moved if self._moved is not None else self.plain

    def like(self, value: Value, mask: bool = True) -> Tensor:
        """``value``, which was made of ``some``, as a tensor of the same form."""
        kept = self.mask if mask else None
        return Tensor(moved=value, mask=kept) if self._moved is not None else Tensor(value, mask=kept)

    def masked(self, mask: Value) -> Tensor:
        """The same values with another mask."""
        return Tensor(self._plain, self._moved, mask)

    @property
    def ndim(self) -> int:
        return self.some.ndim

    @property
    def shape(self) -> tuple[int | None, ...] | None:
        """Shape in the file's layout, without the batch axis."""
        if self._plain is not None or self._moved is None:
            return self.plain.shape
        shape = self._moved.shape
        return shape if shape is None or len(shape) < 2 else (*shape[1:], shape[0])

    def size(self, axis: int) -> int:
        """The size along an axis of the file's layout (0 is the batch)."""
        return self.plain.size(axis) if self._plain is not None or self._moved is None else self._moved.size(self._to_moved(axis))

    def _to_moved(self, axis: int) -> int:
        rank = self.ndim
        axis %= rank
        return 1 if axis == rank - 1 and rank > 2 else axis + 1 if rank > 2 else axis
