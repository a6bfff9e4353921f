"""One contiguous vector for all weights of a model, one for all gradients, one for all buffers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sparkdl import memory
from sparkdl.nn.module import Module

ALIGN = 16  # elements: parameters start on cache lines


@dataclass(frozen=True)
class Segment:
    """Where one parameter lies in the flat vector."""

    name: str
    start: int
    stop: int


class Flat:
    """Moves a model's parameters, gradients and buffers into flat vectors; the model's arrays become views of them.

    ``weights`` (trainable,) holds what is trained; frozen parameters lie elsewhere and never travel. ``grads`` (rows,
    trainable) has a row per subtree of virtual shards. Between parameters there are zeros up to the next cache line.
    """

    def __init__(self, model: Module, rows: int = 1) -> None:
        self.model, self.dtype = model, model.dtype
        self.segments: list[Segment] = []
        self.frozen: list[Segment] = []
        named = list(model.named_parameters())
        at = 0
        for wanted, segments in ((True, self.segments), (False, self.frozen)):
            for name, p in named:
                if p.trainable is wanted:
                    segments.append(Segment(name, at, at + p.size))
                    at += -(-p.size // ALIGN) * ALIGN
            if wanted:
                self.trainable = at
        self._parameters = dict(named)
        self.move(memory.zeros((self.trainable,), self.dtype), memory.zeros((rows, self.trainable), self.dtype))
        self._rest = memory.zeros((at - self.trainable,), self.dtype)
        for segment in self.frozen:
            self._place(segment, self._rest[segment.start - self.trainable : segment.stop - self.trainable])

    def _place(self, segment: Segment, memory: np.ndarray) -> None:
        p = self._parameters[segment.name]
        view = memory.reshape(p.data.shape)
        view[...] = p.data
        p.data = view

    def move(self, weights: np.ndarray, grads: np.ndarray) -> None:
        """Puts the trainable weights ``(trainable,)`` and gradients ``(rows, trainable)`` into other memory."""
        self.weights, self.grads = weights, grads
        self.by_parameter = self.views(grads)
        for segment in self.segments:
            self._place(segment, weights[segment.start : segment.stop])
            p = self._parameters[segment.name]
            p.grad, p.touched = self.by_parameter[id(p)][0], False

    def views(self, grads: np.ndarray) -> dict[int, np.ndarray]:
        """``{id(parameter): (rows, *shape)}``, where each gradient lies in ``grads`` (rows, trainable)."""
        found = {}
        for segment in self.segments:
            p = self._parameters[segment.name]
            found[id(p)] = grads[:, segment.start : segment.stop].reshape(len(grads), *p.data.shape)
        return found

    def clear(self) -> None:
        """Starts a new step: the next gradient of each parameter overwrites the old one."""
        for p in self._parameters.values():
            p.touched = False

    def settle(self, grads: dict[int, np.ndarray] | None = None) -> None:
        """After a backward into ``grads`` (by parameter): zero gradients for parameters that got none."""
        grads = self.by_parameter if grads is None else grads
        for p in self._parameters.values():
            if p.trainable and not p.touched:
                grads[id(p)].fill(0)

    def get_buffers(self) -> np.ndarray:
        """All buffers as one float64 vector (whole numbers up to 2**53 exactly)."""
        arrays = [b.astype(np.float64).ravel() for _, b in self.model.named_buffers()]
        return np.concatenate(arrays) if arrays else np.zeros(0)

    def set_buffers(self, values: np.ndarray) -> None:
        at = 0
        for _, b in self.model.named_buffers():
            b[...] = values[at : at + b.size].reshape(b.shape)
            at += b.size
