"""Containers for several inputs and outputs."""

from __future__ import annotations

from typing import Any

from sparkdl.errors import ShapeError
from sparkdl.nn.layers.concat import Concat
from sparkdl.nn.module import Module
from sparkdl.nn.sequential import Sequential


class Branches(Sequential):
    """Every module is given the same inputs: the outputs are those of all of them, in order."""

    def forward(self, *xs: Any) -> Any:
        return _joined(module(*xs) for module in self)


class Parallel(Sequential):
    """The i-th module is given the i-th input: the outputs are those of all of them, in order."""

    def forward(self, *xs: Any) -> Any:
        if len(xs) != len(self):
            raise ShapeError(f"Parallel of {len(self)} modules takes as many inputs, got {len(xs)}.")
        return _joined(module(x) for module, x in zip(self, xs, strict=True))


class ConcatBranches(Branches):
    """Every module is given the same inputs: the output is theirs, joined along axis 1, the channels."""

    def forward(self, *xs: Any) -> Any:
        return Concat()(*super().forward(*xs))


class Map(Module):
    """One module for every input, with shared weights: as many outputs as inputs."""

    def __init__(self, module: Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *xs: Any) -> Any:
        return _joined(self.module(x) for x in xs)


class Residual(Sequential):
    """``y = x + f(x)``, f being the modules one after another."""

    def forward(self, *xs: Any) -> Any:
        return super().forward(*xs) + xs[0]


def _joined(outputs: Any) -> tuple:
    return tuple(y for each in outputs for y in (each if isinstance(each, tuple) else (each,)))
