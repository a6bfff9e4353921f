"""Several steps, one after another, on one of a feed's inputs."""

from __future__ import annotations

from typing import Protocol

from numpy.typing import NDArray

from sparkdl.data.order import Batch

_KEYS = 0x7472616E73666F72  # keeps draws of transforms apart from draws of layers


class Draw:
    """Random numbers for one step of a transform: functions of seed, epoch, step's place and sample."""

    def __init__(self, batch: Batch, key: int) -> None:
        self.seed, self.step, self.rows, self.key = batch.seed, batch.epoch, batch.rows, _KEYS + key
        self.training = batch.training

    def uniform(self, *shape: int) -> NDArray:
        """Numbers in [0, 1), float64, (batch, *shape)."""
        from sparkdl.nn.layers.draws import uniform

        return uniform(self, (len(self.rows), *shape))


class Step(Protocol):
    """One step: the rows of an input in, and out; ``draw.training`` says whether to be random."""

    def __call__(self, x: NDArray, draw: Draw) -> NDArray: ...


class Compose:
    """``steps`` in order on input number ``input``; what a feed takes as ``transform``.

    ``Compose(a, b) | Compose(c, input=1)`` transforms several inputs.
    """

    def __init__(self, *steps: Step, input: int = 0) -> None:
        for step in steps:
            if not callable(step):
                raise TypeError(f"Compose takes steps that can be called as step(x, draw), got {step!r}.")
        self.parts: tuple[tuple[int, tuple[Step, ...]], ...] = ((input, steps),)

    def __or__(self, other: Compose) -> Compose:
        both = Compose()
        both.parts = self.parts + other.parts
        return both

    def __call__(self, inputs: tuple[NDArray, ...], batch: Batch) -> tuple[NDArray, ...]:
        changed, key = list(inputs), 0
        for number, steps in self.parts:
            if number >= len(changed):
                raise IndexError(f"Compose(input={number}): the rows have {len(changed)} inputs, numbered from 0.")
            for step in steps:
                changed[number] = step(changed[number], Draw(batch, key))
                key += 1
        return tuple(changed)

    def __repr__(self) -> str:
        return " | ".join(
            f"Compose({', '.join([*map(repr, steps), *([f'input={number}'] if number else [])])})"
            for number, steps in self.parts
        )
