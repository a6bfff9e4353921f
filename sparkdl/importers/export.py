"""What all exporters share: the uses of layers of a model in order, with shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparkdl.errors import ShapeError, UnsupportedError
from sparkdl.importers.writers import Writers
from sparkdl.nn.graph import Graph, trace
from sparkdl.nn.module import Module
from sparkdl.nn.program import run_once

Shape = tuple[int, ...]


@dataclass
class Use:
    """One use of a layer: numbers and shapes (without the batch) of the values it reads and makes."""

    layer: Any
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    shapes: tuple[Shape, ...]
    made: tuple[Shape, ...]

    @property
    def shape(self) -> Shape:
        return self.shapes[0]


@dataclass
class Listing:
    """A model written out: ``inputs`` are (name, shape), ``outputs`` numbers of values; inputs are values 0, 1, ..."""

    inputs: list[tuple[str, Shape]]
    uses: list[Use]
    outputs: tuple[int, ...]
    shapes: dict[int, Shape]


def list_uses(model: Module, input_shapes: Sequence[Sequence[int]] | None) -> Listing:
    """The listing of ``model`` for inputs of these shapes (without the batch axis)."""
    if input_shapes is None:
        inputs = model.inputs if isinstance(model, Graph) else []
        known = [node._example for node in inputs if node._example is not None]
        if not known or len(known) < len(inputs):
            likely = ", ".join([str(_likely(model))] * max(len(inputs), 1))
            raise ShapeError(
                "the shapes of the model's inputs are not known; give them without the batch, for example "
                f"input_shapes=[{likely}]."
            )
        input_shapes = [example.shape[1:] for example in known]
    examples = [np.zeros((1, *map(int, shape)), np.float32) for shape in input_shapes]
    program = trace(model, examples)
    values: dict[int, np.ndarray] = {i: example[:0] for i, example in enumerate(examples)}
    uses = []
    for step in program.steps:
        made = run_once(step.layer, tuple(values[i] for i in step.inputs))
        values.update(zip(step.outputs, made, strict=True))
        shapes = tuple(values[i].shape[1:] for i in step.inputs)
        uses.append(Use(step.layer, step.name, step.inputs, step.outputs, shapes, tuple(y.shape[1:] for y in made)))
    names = [name or f"input{i}" for i, name in enumerate(program.input_names)]
    inputs = list(zip(names, [tuple(map(int, s)) for s in input_shapes], strict=True))
    return Listing(inputs, uses, program.outputs, {i: v.shape[1:] for i, v in values.items()})


def _likely(model: Module) -> Shape:
    """A shape that the first layer with sizes of its own takes."""
    for layer in model.modules():
        kind, held = type(layer).__name__, vars(layer)
        if kind == "Embedding":
            return (20,)
        for name in ("input_size", "d_model", "embed_dim"):  # sequences
            if name in held:
                return 20, held[name]
        if "in_channels" in held and kind[-2:-1].isdigit():
            places = (32,) * int(kind[-2])
            return (*places, held["in_channels"]) if held.get("data_format") == "NHWC" else (held["in_channels"], *places)
        if "in_features" in held:
            return (held["in_features"],)
    return 3, 32, 32


def check_known(listing: Listing, table: Mapping[str, Callable[..., Any]], format: str) -> None:
    """One error with all layers that the format cannot hold, before anything is written."""
    bad = [f"{use.name!r} ({type(use.layer).__name__})" for use in listing.uses if type(use.layer).__name__ not in table]
    if bad:
        raise UnsupportedError(f"{format} export does not know these layers: {', '.join(dict.fromkeys(bad))}.")


def write_uses(listing: Listing, writers: Writers, net: Any, values: dict[int, Any], format: str, stand_in: Callable[[Shape], Any]) -> None:
    """Writes every use into ``net``; ``values`` are those of the inputs, then of all. What the format cannot hold is
    listed in one error, as far as ``stand_in(shape)`` may take the place of a value that no layer makes."""
    table = writers.table()
    check_known(listing, table, format)
    refused = []
    for use in listing.uses:
        try:
            for option, plain in (("data_format", "NCHW"), ("padding_mode", "zeros")):
                if getattr(use.layer, option, plain) != plain:
                    raise UnsupportedError(f"{use.name!r}: {option} is {plain!r} there, not {getattr(use.layer, option)!r}.")
            made = table[type(use.layer).__name__](net.at(use), use, [values[i] for i in use.inputs])
        except UnsupportedError as error:
            refused.append(str(error))
            made = [stand_in(shape) for shape in use.made]
        values.update(zip(use.outputs, made if isinstance(made, list) else [made], strict=True))
    if refused:
        raise UnsupportedError(f"{format} export cannot write these layers:\n  " + "\n  ".join(dict.fromkeys(refused)))


def pair(value: Any, rank: int = 2) -> tuple[int, ...]:
    """A number per axis."""
    return (int(value),) * rank if np.ndim(value) == 0 else tuple(int(n) for n in value)
