"""Graph: a module made of nodes; and how any module becomes a program that runs on arrays."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sparkdl.arrays import as_model_input
from sparkdl.errors import ShapeError, TraceError
from sparkdl.nn.context import Run
from sparkdl.nn.module import Layer, Module
from sparkdl.nn.node import Call, Input, Node, apply
from sparkdl.nn.program import Pass, Program, _order


class Graph(Module):
    """A module from ``inputs`` (nodes made by ``nn.Input``) to ``outputs`` (nodes).

    Several inputs are given as a list or tuple in the order of ``inputs``, or as a dict by name; several outputs come
    as a list, one as a bare array. ``output_names`` are the keys where ``outputs`` is a dict, else the names of the
    layers that make them. The layers are sub-modules under the names given in ``names`` or made up from their class.
    """

    def __init__(self, inputs: Any, outputs: Any, names: Mapping[int, str] | None = None) -> None:
        super().__init__()
        self.inputs = list(inputs) if isinstance(inputs, Sequence) else [inputs]
        named = isinstance(outputs, Mapping)
        given = list(outputs.values()) if named else outputs
        self.outputs = list(given) if isinstance(given, Sequence) else [given]
        known = {id(node): i for i, node in enumerate(self.inputs)}
        counts: dict[str, int] = {}
        placed: set[int] = set()
        for call in _order(self.outputs, known):
            if id(call.layer) in placed:
                continue
            placed.add(id(call.layer))
            base = (names or {}).get(id(call.layer)) or call.name or type(call.layer).__name__.lower()
            base = base.replace(".", "_")
            counts[base] = counts.get(base, 0) + 1
            while (name := base if counts[base] == 1 else f"{base}_{counts[base]}") in self._modules:
                counts[base] += 1
            self._modules[name] = call.layer
        self.output_names = [str(name) for name in outputs] if named else self._output_names()

    def _output_names(self) -> list[str]:
        """Each output's layer, with a number where one makes several of them."""
        name_of = {id(module): name for name, module in self._modules.items()}
        found: list[str] = []
        for node in self.outputs:
            base = node.name or "output" if node.call is None else name_of[id(node.call.layer)]
            name, number = base, 1
            while name in found:
                number += 1
                name = f"{base}_{number}"
            found.append(name)
        return found

    def forward(self, *xs: Node) -> Any:
        """Writes the graph's calls down once more, on other nodes."""
        if len(xs) != len(self.inputs):
            raise ShapeError(f"the graph takes {len(self.inputs)} inputs {self.input_names}, got {len(xs)}.")
        node_of: dict[int, Node] = {id(old): new for old, new in zip(self.inputs, xs, strict=True)}
        for call in _order(self.outputs, {id(node): 0 for node in self.inputs}):
            new = Call(call.layer, tuple(node_of[id(x)] for x in call.inputs), call.name)
            node_of.update((id(old), made) for old, made in zip(call.outputs, new.outputs, strict=True))
        outputs = tuple(node_of[id(node)] for node in self.outputs)
        return outputs[0] if len(outputs) == 1 else outputs

    def describe(self) -> dict[str, Any]:
        """The structure as plain data: inputs, calls ``[module, numbers of the values read, name]``, outputs."""
        number = {id(node): i for i, node in enumerate(self.inputs)}
        name_of = {id(module): name for name, module in self._modules.items()}
        calls = []
        for call in _order(self.outputs, {id(node): 0 for node in self.inputs}):
            calls.append([name_of[id(call.layer)], [number[id(x)] for x in call.inputs], call.name])
            for node in call.outputs:
                number[id(node)] = len(number)
        inputs = []
        for node in self.inputs:
            example = node._example
            shape, dtype = (None, None) if example is None else (list(example.shape[1:]), str(example.dtype))
            inputs.append({"name": node.name, "shape": shape, "dtype": dtype})
        outputs = [number[id(node)] for node in self.outputs]
        return {"inputs": inputs, "calls": calls, "outputs": outputs, "output_names": list(self.output_names)}

    @classmethod
    def from_description(cls, described: Mapping[str, Any], modules: Mapping[str, Module]) -> Graph:
        """The graph that ``describe`` wrote down, of ``modules`` by name."""
        nodes = [
            Input(None if i["shape"] is None else tuple(i["shape"]), i["name"], i["dtype"] or np.float32)
            for i in described["inputs"]
        ]
        inputs, names = list(nodes), {id(module): name for name, module in modules.items()}
        for module, reads, name in described["calls"]:
            nodes.extend(Call(modules[module], tuple(nodes[i] for i in reads), name).outputs)  # type: ignore[arg-type]
        graph = cls(inputs, [nodes[i] for i in described["outputs"]], names)
        graph.output_names = list(described.get("output_names") or graph.output_names)  # files of old have none
        return graph

    def __getstate__(self) -> dict[str, Any]:
        state = {k: v for k, v in super().__getstate__().items() if k not in ("inputs", "outputs")}
        return {**state, "_described": self.describe()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        described = state.pop("_described")
        super().__setstate__(state)
        again = Graph.from_description(described, self._modules)
        object.__setattr__(self, "inputs", again.inputs)
        object.__setattr__(self, "outputs", again.outputs)

    @property
    def input_names(self) -> list[str]:
        return [node.name for node in self.inputs]

    def _put(self, name: str, module: Module) -> None:
        old = self._modules[name]
        for call in _order(self.outputs, {id(node): 0 for node in self.inputs}):
            if call.layer is old:
                call.layer = module  # type: ignore[assignment]
        self._modules[name] = module


def _structure(xs: tuple[Any, ...]) -> tuple[list[Any], Any]:
    """The arrays in ``xs`` and the names they came with, if they came in a dict."""
    if len(xs) == 1 and isinstance(xs[0], Mapping):
        return list(xs[0].values()), tuple(xs[0])
    if len(xs) == 1 and isinstance(xs[0], tuple | list) and xs[0] and not np.isscalar(xs[0][0]):
        if all(isinstance(x, np.ndarray) or hasattr(x, "__array__") or hasattr(x, "symbolic") for x in xs[0]):
            return list(xs[0]), None
    return list(xs), None


def _in_order(module: Module, arrays: list[Any], names: Any) -> list[Any]:
    if names is None:
        return arrays
    wanted = getattr(module, "input_names", None)
    if wanted is None:
        raise ShapeError(f"{type(module).__name__} has no named inputs; give its arrays in order, as a tuple.")
    if set(wanted) != set(names):
        raise ShapeError(f"the inputs are {wanted}, got {list(names)}.")
    given = dict(zip(names, arrays, strict=True))
    return [given[name] for name in wanted]


def trace(module: Module, examples: Sequence[np.ndarray | None]) -> Program:
    """The program of ``module`` for inputs like ``examples`` (batches of one; None where the shape is not known)."""
    inputs = [Node(name=f"x{i}" if i else "x", example=example) for i, example in enumerate(examples)]
    if isinstance(module, Graph):
        for node, original in zip(inputs, module.inputs, strict=False):
            node.name = original.name or node.name
    outputs = apply(module, tuple(inputs)) if isinstance(module, Layer) else module.forward(*inputs)
    names = {id(m): path for path, m in module.named_modules() if path}
    flat = list(outputs.values()) if isinstance(outputs, Mapping) else _as_list(outputs)
    for output in flat:
        if not isinstance(output, Node):
            raise TraceError(
                f"{type(module).__name__}.forward returned {type(output).__name__} instead of the output of a layer."
            )
    program = Program(inputs, flat, names)
    program.single = not isinstance(outputs, tuple | list | Mapping)
    program.compute = module.compute
    return program


def _as_list(outputs: Any) -> list[Any]:
    return list(outputs) if isinstance(outputs, tuple | list) else [outputs]


def program_of(module: Module, arrays: Sequence[np.ndarray]) -> Program:
    """The program for arrays like these: traced on first use, kept until the structure changes."""
    programs = module._local.__dict__.setdefault("programs", {})
    signature = (tuple(x.shape[1:] for x in arrays), tuple(id(m) for m in module.modules()))
    if signature not in programs:
        programs[signature] = trace(module, [np.zeros((1, *x.shape[1:]), x.dtype) for x in arrays])
    return programs[signature]


def prepare_inputs(module: Module, xs: tuple[Any, ...]) -> list[np.ndarray]:
    """The arrays of a call in the model's order and dtype; one clear error if they are not batches of one length."""
    arrays, names = _structure(xs)
    arrays = [as_model_input(x, module.dtype) for x in _in_order(module, arrays, names)]
    if not arrays:
        raise ShapeError(f"{type(module).__name__} was called without an input.")
    lengths = {len(x) if x.ndim else None for x in arrays}
    if None in lengths or len(lengths) > 1:
        # layers that pick samples by number take arrays of other lengths
        if None in lengths or not any(getattr(m, "picks_samples", False) for m in module.modules()):
            raise ShapeError(f"axis 0 of every input is the batch; got shapes {[a.shape for a in arrays]}.")
    return arrays


def call(module: Module, xs: tuple[Any, ...]) -> Any:
    """``module(*xs)``: on nodes, writes down; on arrays, runs."""
    structure, names = _structure(xs)
    if any(isinstance(x, Node) for x in structure):
        if isinstance(module, Layer):
            return apply(module, tuple(structure))
        return module.forward(*_in_order(module, structure, names))
    arrays = prepare_inputs(module, xs)
    program = program_of(module, arrays)
    run = Run.single(len(arrays[0]), training=module.training)
    done = Pass(program, arrays, run, module.dtype)
    if module.training:
        module._local.last = done
    outputs = [_for_user(y, arrays) for y in done.outputs]
    return outputs[0] if program.single else outputs


def _for_user(y: np.ndarray, inputs: Sequence[np.ndarray]) -> np.ndarray:
    y = np.ascontiguousarray(y)
    return y.copy() if any(np.may_share_memory(y, x) for x in inputs) else y


def call_backward(module: Module, dys: tuple[Any, ...]) -> Any:
    """``module.backward(*dys)``: the gradients of the inputs of the last call in training mode in this thread."""
    done: Pass | None = getattr(module._local, "last", None)
    if done is None:
        raise RuntimeError("backward needs a forward in training mode before it: call model.train(), then model(x).")
    module._local.last = None
    given, _ = _structure(dys)
    if len(given) != len(done.outputs):
        raise ShapeError(f"backward takes one gradient per output: {len(done.outputs)}, got {len(given)}.")
    arrays = []
    for dy, y in zip(given, done.outputs, strict=True):
        dy = None if dy is None else np.asarray(dy, y.dtype)
        if dy is not None and dy.shape != y.shape:
            raise ShapeError(f"backward: the gradient has shape {dy.shape}, the output had {y.shape}.")
        arrays.append(dy)
    dxs = [None if dx is None else np.ascontiguousarray(dx) for dx in done.backward(arrays)]
    return dxs[0] if len(dxs) == 1 else tuple(dxs)


def upto(module: Module, path: str) -> Graph:
    """A graph that ends with the output of the sub-module at ``path`` and shares all weights."""
    target = module[path]
    if isinstance(module, Graph):
        inputs = module.inputs
        made = [node for node in _all_nodes(module.outputs) if node.call and node.call.layer is target]
    else:
        inputs = [Node(name=name) for name in _parameter_names(module)]
        made = _outputs_while_tracing(module, target, inputs)
    if not made:
        raise TraceError(f"no output of {path!r} is part of the graph.")
    ends = [node for node in made if node.call is made[0].call]
    return Graph(inputs, sorted(ends, key=lambda node: node.slot))


def _parameter_names(module: Module) -> list[str]:
    """Names of the inputs that a module's forward takes; ``x`` where it takes any number."""
    names = [
        name
        for name, p in inspect.signature(module.forward).parameters.items()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty
    ]
    return names or ["x"]


def _outputs_while_tracing(module: Module, target: Module, inputs: list[Node]) -> list[Node]:
    """What ``target`` returns while ``module`` is traced."""
    found: list[Node] = []
    forward = target.forward

    def noted(*xs: Any, **kwargs: Any) -> Any:
        result = forward(*xs, **kwargs)
        found.extend(_as_list(result))
        return result

    if isinstance(target, Layer):
        outputs = module.forward(*inputs)
        return [node for node in _all_nodes(_as_list(outputs)) if node.call and node.call.layer is target]
    object.__setattr__(target, "forward", noted)
    try:
        module.forward(*inputs)
    finally:
        object.__delattr__(target, "forward")
    return found


def _all_nodes(outputs: list[Node]) -> list[Node]:
    nodes, stack, seen = [], list(outputs), set()
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        nodes.append(node)
        if node.call is not None:
            stack.extend(node.call.inputs)
            stack.extend(node.call.outputs)
    return nodes
