"""A program: the uses of layers of a graph in an order in which they can run, forwards and backwards."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sparkdl.errors import ShapeError, TraceError
from sparkdl.nn.context import Context, Run
from sparkdl.nn.module import Layer
from sparkdl.nn.node import Call, Node


def run_once(layer: Layer, xs: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    """The outputs of one layer in eval mode, to learn their shapes."""
    ctx = Context(Run.single(len(xs[0]) if xs else 1), 0, False, (False,) * len(xs), layer.dtype)
    y = layer.forward(*xs, ctx=ctx)
    return y if isinstance(y, tuple) else (y,)


class Step:
    """One call in a program: the layer, the numbers of the values it reads and makes, and its name."""

    __slots__ = ("layer", "inputs", "outputs", "name", "key", "last_use", "parameters")

    def __init__(self, layer: Layer, inputs: tuple[int, ...], outputs: tuple[int, ...], name: str, key: int) -> None:
        self.layer, self.inputs, self.outputs, self.name, self.key = layer, inputs, outputs, name, key
        self.last_use: tuple[int, ...] = ()
        self.parameters = tuple(layer.parameters())

    def trains(self) -> bool:
        """Whether the layer has a weight that is trained."""
        for p in self.parameters:
            if p.trainable:
                return True
        return False


class Program:
    """Steps in order; ``inputs`` and ``outputs`` are numbers of values.

    ``single``: the module returned a bare output, not a list of them. ``compute``: the type of products' factors.
    """

    single = True
    compute = "float32"

    def __init__(self, inputs: list[Node], outputs: list[Node], names: dict[int, str] | None = None) -> None:
        number = {id(node): i for i, node in enumerate(inputs)}
        self.inputs = tuple(range(len(inputs)))
        self.steps: list[Step] = []
        self.input_names = [node.name for node in inputs]
        used: dict[str, int] = {}
        for call in _order(outputs, number):
            base = (names or {}).get(id(call.layer)) or call.name or type(call.layer).__name__.lower()
            used[base] = used.get(base, 0) + 1
            name = base if used[base] == 1 else f"{base}:{used[base]}"
            call.name = call.name or name
            for node in call.outputs:
                number[id(node)] = len(number)
            self.steps.append(
                Step(
                    call.layer,
                    tuple(number[id(x)] for x in call.inputs),
                    tuple(number[id(y)] for y in call.outputs),
                    name,
                    len(self.steps) + 1,
                )
            )
        self.outputs = tuple(number[id(node)] for node in outputs)
        self.size = len(number)
        self._liveness()

    def with_steps(self, steps: list[Step], outputs: tuple[int, ...] | None = None) -> Program:
        """A program of the same values with other steps."""
        new = Program.__new__(Program)
        new.__dict__.update(self.__dict__)
        new.steps, new.outputs = steps, self.outputs if outputs is None else outputs
        new._liveness()
        return new

    def _liveness(self) -> None:
        last: dict[int, Step] = {}
        for step in self.steps:
            for i in (*step.inputs, *step.outputs):
                last[i] = step
        for step in self.steps:
            step.last_use = tuple(i for i, s in last.items() if s is step and i not in self.outputs)
        uses: dict[int, int] = {}
        for step in self.steps:
            for parameter in step.parameters:
                uses[id(parameter)] = uses.get(id(parameter), 0) + 1
        self.shared = frozenset(i for i, n in uses.items() if n > 1)
        self.nothing = [(False,) * len(step.inputs) for step in self.steps]  # no input needs a gradient

    def forward(self, xs: list[np.ndarray], run: Run, dtype: np.dtype) -> Pass:
        """Runs all steps; the pass holds the outputs and, in training, what backward needs."""
        return Pass(self, xs, run, dtype)

    def wants(self, input_grad: bool | Sequence[bool]) -> list[tuple[bool, ...]]:
        """Per step, which inputs need a gradient: those that depend on a trainable parameter (or on an input)."""
        needed = [False] * self.size
        asked = [input_grad] * len(self.inputs) if isinstance(input_grad, bool) else input_grad
        for i, ask in zip(self.inputs, asked, strict=True):
            needed[i] = ask
        result = []
        for step in self.steps:
            needs = tuple(needed[i] for i in step.inputs)
            trains = True in needs or step.trains()
            for i in step.outputs:
                needed[i] = trains
            result.append(needs)
        return result


class Pass:
    """One forward of a program, and its backward.

    ``watch(step, values, contexts)`` is called after every step, with all that is held at that moment.
    """

    def __init__(
        self,
        program: Program,
        xs: list[np.ndarray],
        run: Run,
        dtype: np.dtype,
        input_grad: bool | Sequence[bool] = True,
        watch: Callable[[Step, list[Any], list[Context]], None] | None = None,
    ) -> None:
        self.program, self.run, self.watch = program, run, watch
        with _computing(program):
            self._forward(xs, dtype, input_grad)

    def _forward(self, xs: list[np.ndarray], dtype: np.dtype, input_grad: bool | Sequence[bool]) -> None:
        program, run, watch = self.program, self.run, self.watch
        self.contexts: list[Context] = []
        self.made: dict[int, tuple[tuple[int, ...], np.dtype]] = {}  # so that an unused value's gradient can be zeros
        run.shared |= program.shared
        values: list[Any] = [None] * program.size
        for i, x in zip(program.inputs, xs, strict=True):
            values[i] = x
        self.shapes = [x.shape for x in xs]
        wants = program.nothing
        if run.training:
            asked = [input_grad] * len(xs) if isinstance(input_grad, bool) else input_grad
            wants = program.wants([ask and x.dtype.kind == "f" for ask, x in zip(asked, xs, strict=True)])
        for step, needs in zip(program.steps, wants, strict=True):
            layer = step.layer
            ctx = Context(run, step.key, run.training and layer.training, needs, dtype)
            try:
                y = layer.forward(*[values[i] for i in step.inputs], ctx=ctx)
            except Exception as error:
                _locate(error, step, [values[i] for i in step.inputs])
                raise
            if layer.outputs == 1:
                values[step.outputs[0]] = y
            else:
                for i, each in zip(step.outputs, y, strict=True):
                    values[i] = each
            self.contexts.append(ctx)
            if run.training:
                for i in step.outputs:
                    self.made[i] = (values[i].shape, values[i].dtype)
            if watch is not None:
                watch(step, values, self.contexts)
            for i in step.last_use:
                values[i] = None
        self.outputs = [values[i] for i in program.outputs]

    def backward(self, dys: list[np.ndarray | None]) -> list[np.ndarray | None]:
        """The gradients of the inputs; those of the parameters are added where the run says."""
        if not self.run.training:
            raise RuntimeError("backward needs a forward in training mode before it: call model.train() first.")
        with _computing(self.program):
            return self._backward(dys)

    def _backward(self, dys: list[np.ndarray | None]) -> list[np.ndarray | None]:
        program = self.program
        gradients: list[Any] = [None] * program.size
        for i, dy in zip(program.outputs, dys, strict=True):
            if dy is not None:
                gradients[i] = dy if gradients[i] is None else gradients[i] + dy
        for step, ctx in zip(reversed(program.steps), reversed(self.contexts), strict=True):
            given: list[Any] = [gradients[i] for i in step.outputs]
            for i in step.outputs:
                gradients[i] = None
            trains = True in ctx.needs or step.trains()
            if not trains or all(each is None for each in given):
                ctx.saved = ()
                continue
            given = [
                np.zeros(*self.made[i]) if each is None else each for i, each in zip(step.outputs, given, strict=True)
            ]
            try:
                dx = step.layer.backward(*given, ctx=ctx)
            except Exception as error:
                _locate(error, step, given)
                raise
            if self.watch is not None:
                self.watch(step, [*gradients, *given, dx], self.contexts)
            ctx.saved = ()
            for i, need, each in zip(step.inputs, ctx.needs, dx if isinstance(dx, tuple) else (dx,), strict=True):
                if need and each is not None:
                    gradients[i] = each if gradients[i] is None else _added(gradients[i], each)
        if self.contexts and self.run.leaf_sums and not self.run.nested:
            self.contexts[0].finish_shared()
        self.contexts = []
        return [gradients[i] for i in program.inputs]


def _computing(program: Program) -> contextlib.AbstractContextManager[None]:
    """The type of factors that the program asks for; a program that runs inside another goes by that one's."""
    if program.compute == "float32":
        return contextlib.nullcontext()
    from sparkdl.nn.kernels import bf16

    return bf16.using(program.compute)


def _added(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    from sparkdl.nn.kernels.adding import added

    return added(a, b)


def _locate(error: Exception, step: Step, arrays: list[Any]) -> None:
    """Adds the layer's place and what it got to an exception, once."""
    if not getattr(error, "__notes__", None):
        got = ", ".join(f"{getattr(x, 'shape', None)} {getattr(x, 'dtype', type(x).__name__)}" for x in arrays)
        error.add_note(f"in layer {step.name!r}: {step.layer!r}, which got {got}")


def _order(outputs: list[Node], known: dict[int, int]) -> list[Call]:
    """The calls behind ``outputs``, each after those it reads from."""
    order: list[Call] = []
    state: dict[int, int] = {}  # 1: being visited, 2: done
    stack: list[tuple[Call, int]] = []

    def push(node: Node) -> None:
        if node.call is None:
            if id(node) not in known:
                raise TraceError(f"{node!r} is not among the graph's inputs; list it in nn.Graph(inputs, outputs).")
        elif id(node) not in known and state.get(id(node.call)) != 2:
            if state.get(id(node.call)) == 1:
                raise TraceError(f"the graph has a cycle through {node!r}.")
            state[id(node.call)] = 1
            stack.append((node.call, 0))

    for output in outputs:
        if not isinstance(output, Node):
            raise ShapeError(f"a graph's outputs are nodes, got {type(output).__name__}; call modules on nn.Input().")
        push(output)
        while stack:
            call, i = stack.pop()
            if i < len(call.inputs):
                stack.append((call, i + 1))
                push(call.inputs[i])
            else:
                state[id(call)] = 2
                order.append(call)
    return order
