"""One row of the table of layers: what the common checks need to know about a layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sparkdl import nn


@dataclass
class Case:
    """A layer with inputs and references.

    ``make()`` builds it; ``shapes`` are those of its inputs, batch first. ``reference(layer, *xs)`` computes the
    expected outputs naively, in float64, for both modes, or for eval mode alone where ``training`` gives another one
    for training (None: random, nothing to compare with). ``torch(torch)`` builds PyTorch's layer (or a function),
    which gets the layer's state. ``bad`` lists inputs' shapes with a word of the expected complaint, ``refused``
    constructors likewise.
    """

    make: Callable[[], nn.Layer]
    shapes: tuple[tuple[int, ...], ...]
    reference: Callable[..., Any]
    training: Any = "same"
    torch: Callable[[Any], Any] | None = None
    bad: Sequence[tuple[tuple[tuple[int, ...], ...], str]] = ()
    refused: Sequence[tuple[Callable[[], Any], str]] = ()
    inputs: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray] | Sequence[Any] | None = None
    no_gradient: str = ""  # why the gradient is not compared
    mixes: str = ""  # why a sample's output depends, even in eval mode, on the other samples
    tolerance: float = 1e-5
    name: str = ""
    layers: dict[str, type] = field(default_factory=dict)  # classes that nn.load must be given

    def __post_init__(self) -> None:
        if self.shapes and not isinstance(self.shapes[0], tuple):
            self.shapes = (self.shapes,)  # type: ignore[assignment]
        self.bad = [(shapes if isinstance(shapes[0], tuple) else (shapes,), words) for shapes, words in self.bad]

    @property
    def differentiable(self) -> bool:
        return not self.no_gradient

    @property
    def alone(self) -> bool:
        return not self.mixes

    def layer(self) -> nn.Layer:
        """The layer with weights and statistics that are not the special ones of the start."""
        nn.manual_seed(1)
        layer = self.make()
        rng = np.random.default_rng(2)
        for p in layer.parameters():
            p.value = p.value + 0.1 * rng.standard_normal(p.shape)
        for name, buffer in layer.named_buffers():
            if name.endswith("running_mean"):
                buffer[...] = rng.standard_normal(buffer.shape)
            if name.endswith("running_var"):
                buffer[...] = rng.uniform(0.5, 2, buffer.shape)
        return layer

    def arrays(self, dtype: Any = np.float32, batch: int | None = None, seed: int = 0) -> list[np.ndarray]:
        """Inputs; with ``batch`` another number of samples than the table says."""
        rng = np.random.default_rng(seed)
        makers = self.inputs if isinstance(self.inputs, list | tuple) else [self.inputs] * len(self.shapes)
        arrays = []
        for shape, make in zip(self.shapes, makers, strict=True):
            shape = shape if batch is None else (batch, *shape[1:])
            x = rng.standard_normal(shape) if make is None else make(rng, shape)
            arrays.append(x.astype(dtype) if x.dtype.kind == "f" else x)
        return arrays


def positive(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers from 0.5 to 2."""
    return rng.uniform(0.5, 2, shape)


def distinct(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers of which no two are nearly equal, so that differences do not change an order."""
    size = int(np.prod(shape))
    return (rng.permutation(size).reshape(shape) - size / 2 + 0.25) / max(size, 1) * 4
