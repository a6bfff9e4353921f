"""From specs to a graph."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sparkdl import nn
from sparkdl.errors import FormatError, ShapeError, UnsupportedError
from sparkdl.importers import build
from sparkdl.importers.build import Value
from sparkdl.importers.keras.keras1_weights import upgrade_weights
from sparkdl.importers.keras.penalties import factors
from sparkdl.importers.keras.spec import LayerSpec, ModelSpec, Ref
from sparkdl.importers.keras.store import read
from sparkdl.importers.keras.table import table
from sparkdl.importers.keras.tensor import Tensor
from sparkdl.importers.limits import current, within


def check_supported(model: ModelSpec) -> None:
    """One error with all layers that cannot be converted, before any weight is looked at."""
    known, bad = table(), []
    for spec in model.walk():
        if spec.kind == "InputLayer" and spec.config.get("dtype") == "string":
            bad.append(f"{spec.name!r} (InputLayer): takes strings; turn them into numbers before the model")
        if spec.model is not None or spec.kind == "InputLayer" or (spec.kind == "Merge" and "becomes" in spec.config):
            continue
        if spec.kind not in known:
            registered = f", registered as {spec.kind!r}" if ">" in spec.kind else ""  # the name to give a converter under
            bad.append(f"{spec.name!r} ({spec.original}): unknown layer class{registered}")
            continue
        try:
            why = known[spec.kind].refuse(spec)
            known[spec.kind].variables(spec)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise FormatError(f"layer {spec.name!r} ({spec.original}): its config is incomplete ({error!r}).") from error
        if spec.quantized:
            why = "its weights are quantized; save the model as it was before model.quantize()"
        if why:
            bad.append(f"{spec.name!r} ({spec.original}): {why}")
    if bad:
        raise UnsupportedError(
            "the model has layers that are not supported:\n  " + "\n  ".join(bad)
            + "\nGive a converter for custom ones: sparkdl.importers.register_keras('Name', converter)."
        )


class Conversion:
    """What a converter sees of one call of a layer."""

    def __init__(self, spec: LayerSpec, args: list[Any], kwargs: dict[str, Any], name: str, net: NetBuilder) -> None:
        self.spec, self.args, self.kwargs, self.name, self.net = spec, args, kwargs, name, net
        first = args[0] if args else []
        self.inputs: list[Tensor] = [t for t in (first if isinstance(first, list) else [first]) if isinstance(t, Tensor)]

    @property
    def x(self) -> Tensor:
        """The only (or first) input."""
        if not self.inputs:
            raise FormatError(f"layer {self.name!r} ({self.spec.original}) has no input.")
        return self.inputs[0]

    def fail(self, why: str) -> FormatError:
        return FormatError(f"layer {self.name!r} ({self.spec.original}): {why}.")

    def refuse(self, why: str) -> UnsupportedError:
        return UnsupportedError(f"layer {self.name!r} ({self.spec.original}): {why}.")

    def number(self, key: str, least: int = 1, most: int = 1 << 31) -> int:
        """A whole number of the config, checked."""
        value = self.spec.config.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self.fail(f"{key} is {value!r}")
        return value

    def sizes(self, key: str, rank: int, default: Any = None, least: int = 1, most: int = 1 << 16) -> tuple[int, ...]:
        """A number per spatial axis."""
        value = self.spec.config.get(key)
        value = default if value is None else value
        value = [value] * rank if isinstance(value, int) else value
        if isinstance(value, dict) and isinstance(value.get("items"), list):
            value = value["items"]
        if not isinstance(value, list | tuple) or len(value) != rank or not all(isinstance(n, int) and least <= n <= most for n in value):
            raise self.fail(f"{key} is {self.spec.config.get(key)!r}")
        return tuple(value)

    # -- weights ---------------------------------------------------------------------------------------------------
    @property
    def weights(self) -> list[np.ndarray] | None:
        """The layer's own arrays in the newest layout; None when the model is loaded without weights."""
        if self.spec.weights is None:
            return None
        if "arrays" not in self.spec.made:
            self.spec.made["arrays"] = upgrade_weights(self.spec, [read(d) for d in self.spec.weights])
        return self.spec.made["arrays"]

    def weight(self, index: int, shape: Sequence[int], fill: float | None = None) -> np.ndarray:
        """Weight ``index`` in ``shape`` (checked); without a file, random (or ``fill``)."""
        shape, arrays = tuple(int(n) for n in shape), self.weights
        if arrays is None:
            return self.net.initial(self, shape, fill)
        names = table()[self.spec.kind].variables(self.spec)
        what = names[index].rstrip("!") if index < len(names) else str(index)
        if index >= len(arrays):
            raise self.fail(f"weight {what!r} is missing in the file")
        if arrays[index].shape != shape:
            raise FormatError(
                f"layer {self.name!r} ({self.spec.original}): weight {what!r} has shape {arrays[index].shape} in the file, "
                f"the model wants {shape}."
            )
        return arrays[index].astype(np.float32, copy=False)

    def once(self, key: str, make: Callable[[], Any]) -> Any:
        """What ``make`` returns, made on the first call of this layer and shared by all later ones."""
        if key not in self.spec.made:
            layer = self.spec.made[key] = make()
            if not self.net.trainable or not self.spec.trainable:
                layer.freeze()
        return self.spec.made[key]

    def apply(self, layer: nn.Layer, *values: Value, suffix: str = "") -> Any:
        return build.apply(layer, values, f"{self.name}/{suffix}" if suffix else self.name)

    def each(self, layer: nn.Layer, x: Tensor | None = None, suffix: str = "") -> Tensor:
        """``layer``, to which the order of axes is all one, on a tensor."""
        x = self.x if x is None else x
        return x.like(self.apply(layer, x.some, suffix=suffix))

    def inner(self, spec: LayerSpec, inputs: list[Tensor], suffix: str, **kwargs: Any) -> list[Tensor]:
        """Calls a wrapped layer."""
        return self.net.call(spec, [inputs if len(inputs) > 1 else inputs[0]], kwargs, f"{self.name}/{suffix}")


class NetBuilder:
    def __init__(self) -> None:
        self.unbacked = 0
        self.trainable = True
        self.depth = 0
        self.calls = 0
        self.whole: set[int] = set()  # inputs of whole numbers, by the id of their node

    # -- weights that no file holds --------------------------------------------------------------------------------
    def initial(self, c: Conversion, shape: tuple[int, ...], fill: float | None) -> np.ndarray:
        size = 1
        for n in shape:
            size *= n
        self.unbacked += size
        within(f"layer {c.name!r}: weights without a file", self.unbacked, current().unbacked)
        if fill is not None or len(shape) < 2:
            return np.full(shape, fill or 0.0, np.float32)
        from sparkdl.nn import rng

        fan_out = shape[-1] * int(np.prod(shape[:-2]))
        bound = np.sqrt(6 / max(int(np.prod(shape[:-1])) + fan_out, 1))  # Glorot, Keras's default
        return rng.generator().uniform(-bound, bound, shape).astype(np.float32)

    # -- models ----------------------------------------------------------------------------------------------------
    def graph(self, model: ModelSpec) -> nn.Graph:
        by_name = {spec.name: spec for spec in model.layers}
        inputs = []
        for ref in model.inputs:
            if ref.layer not in by_name:
                raise FormatError(f"the model's input {ref.layer!r} is no layer of it.")
            inputs.append(self.new_input(by_name[ref.layer]))
        outputs = self.model(model, inputs, "")
        # a mask at the end says nothing to the caller
        graph = nn.Graph([t.plain.node for t in inputs], [t.plain.node for t in outputs])
        graph.output_names = [ref.layer for ref in model.outputs]
        for tensor in inputs:
            examples = tensor.plain.examples
            if examples and len(examples) == 1 and examples[0].shape[1:] and int(np.prod([float(n) for n in examples[0].shape[1:]])) <= 1 << 26:
                tensor.plain.node._example = np.zeros((1, *examples[0].shape[1:]), np.float32)
        return graph

    def new_input(self, spec: LayerSpec) -> Tensor:
        shape = spec.config.get("batch_shape")
        if isinstance(shape, list) and shape and isinstance(shape[0], list):
            shape = shape[0]
        if shape is not None and (not isinstance(shape, list) or not shape or not all(n is None or isinstance(n, int) and n >= 0 for n in shape)):
            raise FormatError(f"input {spec.name!r}: its shape is {str(shape)[:80]}.")
        value = build.new_input(None if shape is None else shape[1:], spec.name)
        if "int" in str(spec.config.get("dtype")):
            self.whole.add(id(value.node))
        return Tensor(value)

    def model(self, model: ModelSpec, inputs: list[Tensor], prefix: str) -> list[Tensor]:
        """Writes all calls of a model down, each after those it reads from; its outputs."""
        self.depth += 1
        within("nested models", self.depth, current().depth)
        known: dict[tuple[str, int, int], Tensor] = {}
        if len(inputs) != len(model.inputs):
            raise FormatError(f"model {model.name!r} takes {len(model.inputs)} inputs, got {len(inputs)}.")
        for ref, tensor in zip(model.inputs, inputs, strict=True):
            known[ref.layer, ref.node, ref.tensor] = tensor
        shift = _node_shift(model)
        calls = [(spec, i) for spec in model.layers for i in range(len(spec.calls))]
        wanted = {(id(spec), i): _refs([spec.calls[i].args, spec.calls[i].kwargs], shift) for spec, i in calls}
        waiting: dict[tuple[str, int, int], list[tuple[LayerSpec, int]]] = {}
        missing: dict[tuple[int, int], int] = {}
        ready: list[tuple[LayerSpec, int]] = []
        for spec, i in calls:
            needs = {r for r in wanted[id(spec), i] if r not in known}
            missing[id(spec), i] = len(needs)
            for need in needs:
                waiting.setdefault(need, []).append((spec, i))
            if not needs:
                ready.append((spec, i))
        ready.reverse()
        while ready:
            spec, i = ready.pop()
            name = prefix + spec.name + (f":{i + 1}" if i else "")
            call = spec.calls[i]
            args = [_filled(a, known, shift) for a in call.args]
            kwargs = {k: _filled(v, known, shift) for k, v in call.kwargs.items()}
            woken = []
            for n, tensor in enumerate(self.call(spec, args, kwargs, name)):
                known[spec.name, i, n] = tensor
                for waiter in waiting.pop((spec.name, i, n), ()):
                    missing[id(waiter[0]), waiter[1]] -= 1
                    if missing[id(waiter[0]), waiter[1]] == 0:
                        woken.append(waiter)
            ready.extend(reversed(woken))
        self.depth -= 1
        outputs = []
        for ref in model.outputs:
            key = _key(ref, shift)
            if key not in known:
                raise FormatError(f"model {model.name!r}: output {ref.layer!r} is made by no layer, or its layers form a cycle.")
            outputs.append(known[key])
        return outputs

    def call(self, spec: LayerSpec, args: list[Any], kwargs: dict[str, Any], name: str) -> list[Tensor]:
        """One call of a layer or nested model."""
        self.calls += 1  # models that call models twice, many levels deep, are short to write down
        within("calls of layers", self.calls, current().layers)
        if spec.model is not None:
            before, self.trainable = self.trainable, self.trainable and spec.trainable
            try:
                return self.model(spec.model, _leaves(args), f"{name}/")
            finally:
                self.trainable = before
        if spec.kind == "Merge":
            spec.kind = spec.config["becomes"]
        conversion = Conversion(spec, _with_masks(args, kwargs.get("mask")), kwargs, name, self)
        try:
            made = table()[spec.kind].convert(conversion)
        except (FormatError, UnsupportedError):
            raise
        except ShapeError as error:
            raise FormatError(f"layer {name!r} ({spec.original}): {error}") from error
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, ZeroDivisionError, OverflowError) as error:
            if isinstance(error, AttributeError) and inspect.ismodule(error.obj):
                raise  # not the file's fault
            raise FormatError(f"layer {name!r} ({spec.original}): its config does not make sense ({error!r}).") from error
        outputs = made if isinstance(made, list) else [made]
        weighs = factors(spec.config.get("activity_regularizer"))
        if weighs is not None:
            outputs = [conversion.each(nn.ActivityRegularization(*weighs), outputs[0], "activity"), *outputs[1:]]
        return outputs


def _leaves(value: Any) -> list[Tensor]:
    """The tensors of nested lists and dicts in Keras's order, which sorts a dict by its keys."""
    if isinstance(value, dict):
        value = [value[key] for key in sorted(value)]
    if isinstance(value, list):
        return [tensor for each in value for tensor in _leaves(each)]
    return [value] if isinstance(value, Tensor) else []


def _with_masks(args: list[Any], mask: Any) -> list[Any]:
    """The arguments, the inputs with masks that the call names; Keras 3 writes down how masks were joined."""
    if not args or mask is None:
        return args
    single = isinstance(args[0], Tensor)
    inputs, masks = ([args[0]], [mask]) if single else (args[0], mask)
    if not isinstance(inputs, list) or not isinstance(masks, list):
        return args
    made = [t.masked(m.plain) if isinstance(t, Tensor) and isinstance(m, Tensor) else t for t, m in zip(inputs, masks, strict=False)]
    return [made[0] if single else made + inputs[len(made) :], *args[1:]]


def _node_shift(model: ModelSpec) -> dict[str, int]:
    """tf.keras counts the calls of a nested model from 1, since making it is a call of its own."""
    least: dict[str, int] = {}
    most: dict[str, int] = {}
    nested = {spec.name: len(spec.calls) for spec in model.layers if spec.model is not None}
    refs = [r for spec in model.layers for call in spec.calls for r in _all_refs([call.args, call.kwargs])]
    for ref in [*refs, *model.outputs]:
        if ref.layer in nested:
            least[ref.layer] = min(least.get(ref.layer, ref.node), ref.node)
            most[ref.layer] = max(most.get(ref.layer, 0), ref.node)
    return {name: 1 for name, n in nested.items() if least.get(name, 0) >= 1 and most[name] >= n}


def _all_refs(value: Any) -> list[Ref]:
    found, stack = [], [value]
    while stack:
        item = stack.pop()
        if isinstance(item, Ref):
            found.append(item)
        elif isinstance(item, list):
            stack.extend(item)
        elif isinstance(item, dict):
            stack.extend(item.values())
    return found


def _key(ref: Ref, shift: dict[str, int]) -> tuple[str, int, int]:
    return ref.layer, ref.node - shift.get(ref.layer, 0), ref.tensor


def _refs(value: Any, shift: dict[str, int]) -> set[tuple[str, int, int]]:
    return {_key(ref, shift) for ref in _all_refs(value)}


def _filled(value: Any, known: dict[tuple[str, int, int], Tensor], shift: dict[str, int]) -> Any:
    if isinstance(value, Ref):
        return known[_key(value, shift)]
    if isinstance(value, list):
        return [_filled(v, known, shift) for v in value]
    return {k: _filled(v, known, shift) for k, v in value.items()} if isinstance(value, dict) else value
