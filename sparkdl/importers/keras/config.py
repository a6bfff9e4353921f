"""From the JSON of any Keras version to specs."""

from __future__ import annotations

from typing import Any

from sparkdl.errors import FormatError
from sparkdl.importers.keras import keras1
from sparkdl.importers.keras.spec import Call, LayerSpec, ModelSpec, Ref, Version
from sparkdl.importers.limits import current, within

MODELS = ("Model", "Functional", "Sequential", "Graph")
_WRAPPED = {"Bidirectional", "TimeDistributed", "RNN", "StackedRNNCells", "SpectralNormalization", "Wrapper"}
# positional arguments of calls that may be given by keyword
_TENSOR_ARGUMENTS = ("inputs", "input", "x", "args_0", "sequence", "query")

_QUANTIZED = ("QuantizedDTypePolicy", "QuantizedFloat8DTypePolicy", "GPTQDTypePolicy", "AWQDTypePolicy")


def parse_model(data: Any, version: Version, backend: str) -> ModelSpec:
    """The specs of a whole model."""
    return _Parser(version, backend).model(data, 0)


class _Parser:
    def __init__(self, version: Version, backend: str) -> None:
        self.version, self.backend = version, backend
        self.count = 0

    # -- models ----------------------------------------------------------------------------------------------------
    def model(self, data: Any, depth: int) -> ModelSpec:
        within("nested models", depth, current().depth)
        kind, config = self.head(data)
        if kind not in MODELS:
            if isinstance(config, dict) and isinstance(config.get("layers"), list) and "output_layers" in config:
                return self.functional(config, depth)  # a subclass of Model that is saved as one
            raise FormatError(f"the file describes a {kind!r}, not a model of the Keras kinds Sequential, Model, Functional.")
        if kind == "Sequential":
            return self.sequential(config, depth)
        return self.functional(config, depth)

    def head(self, data: Any) -> tuple[str, Any]:
        if not isinstance(data, dict) or not isinstance(data.get("class_name"), str) or "config" not in data:
            raise FormatError(f"expected an object with class_name and config, got {str(data)[:80]!r}.")
        return data["class_name"], data["config"]

    def sequential(self, config: Any, depth: int) -> ModelSpec:
        listed = config if isinstance(config, list) else self.field(config, "layers", list)
        name = "sequential" if isinstance(config, list) else str(config.get("name") or "sequential")
        if not listed:
            raise FormatError(f"Sequential {name!r} has no layers.")
        layers = [self.layer(each, depth) for each in listed]
        first = layers[0]
        inputs, before = [], []
        if first.kind == "InputLayer":
            before, layers = [first], layers[1:]
            source = [Ref(first.name)]
        elif first.kind == "Merge":  # Keras 1: a Sequential that starts with several branches
            return self.branches(name, layers)
        else:
            shape = self.input_shape(first, config)
            source_layer = self.input_layer(f"{first.name}_input", shape, first)
            before, source = [source_layer], [Ref(source_layer.name)]
        inputs = [Ref(each.name) for each in before]
        for each in layers:
            each.calls = [Call([source[0] if len(source) == 1 else list(source)])]
            source = [Ref(each.name)]
        self.unique(before + layers)
        return ModelSpec(name, before + layers, inputs, source, self.version, sequential=True)

    def branches(self, name: str, layers: list[LayerSpec]) -> ModelSpec:
        merge, inputs, before, sources = layers[0], [], [], []
        for branch in merge.config.pop("branches", []):
            for ref in branch.model.inputs:
                inner = next(each for each in branch.model.layers if each.name == ref.layer)
                outer = self.input_layer(f"{branch.name}_{inner.name}", inner.config.get("batch_shape"), inner)
                before.append(outer)
                inputs.append(Ref(outer.name))
            branch.calls = [Call([list(inputs[-len(branch.model.inputs) :]) if len(branch.model.inputs) > 1 else inputs[-1]])]
            before.append(branch)
            sources.append(Ref(branch.name))
        merge.calls = [Call([sources])]
        for previous, each in zip(layers, layers[1:], strict=False):
            each.calls = [Call([Ref(previous.name)])]
        self.unique(before + layers)
        return ModelSpec(name, before + layers, inputs, [Ref(layers[-1].name)], self.version)

    def functional(self, config: Any, depth: int) -> ModelSpec:
        listed = self.field(config, "layers", list)
        layers = []
        for each in listed:
            layer = self.layer(each, depth)
            nodes = each.get("inbound_nodes", [])
            if not isinstance(nodes, list):
                raise FormatError(f"layer {layer.name!r}: inbound_nodes is no list.")
            layer.calls = [self.call(node, layer.name) for node in nodes]
            self.operation(layer, each)
            layers.append(layer)
        self.unique(layers)
        inputs, outputs = self.refs(config.get("input_layers")), self.refs(config.get("output_layers"))
        if not inputs or not outputs:
            raise FormatError("the model names no inputs or no outputs.")
        return ModelSpec(str(config.get("name") or "model"), layers, inputs, outputs, self.version)

    def operation(self, layer: LayerSpec, data: Any) -> None:
        """Keras 3's HDF5 files do not tell operators from layers, but an operator's tensors are no list."""
        if self.version[0] >= 3 and not data.get("module") and not layer.kind.startswith("ops.") and layer.model is None:
            loose = any(len(call.args) > 1 for call in layer.calls) or (
                layer.kind == "Reshape" and "target_shape" not in layer.config
            )
            if loose or layer.kind not in _known_layers():
                layer.kind = f"ops.{layer.kind}" if f"ops.{layer.kind}" in _known_layers() else layer.kind

    def unique(self, layers: list[LayerSpec]) -> None:
        seen: set[str] = set()
        for layer in layers:
            if layer.name in seen:
                raise FormatError(f"two layers are called {layer.name!r}.")
            seen.add(layer.name)

    # -- layers ----------------------------------------------------------------------------------------------------
    def layer(self, data: Any, depth: int) -> LayerSpec:
        within("nested layers", depth, current().depth)
        self.count += 1
        within("layers", self.count, current().layers)
        kind, config = self.head(data)
        name = data.get("name") or (config.get("name") if isinstance(config, dict) else None) or self.unnamed(kind)
        if not isinstance(name, str):
            raise FormatError(f"a layer's name is {str(name)[:60]!r}.")
        registered = data.get("registered_name")
        if kind in MODELS or (isinstance(config, dict) and "output_layers" in config and "layers" in config):
            model = self.model(data, depth + 1)
            trainable = config.get("trainable", True) if isinstance(config, dict) else True
            return LayerSpec(kind, name, {}, self.version, model=model, trainable=trainable is not False, original=kind, backend=self.backend)
        if not isinstance(config, dict):
            raise FormatError(f"layer {name!r}: config is no object.")
        original, config = kind, dict(config)
        module = str(data.get("module") or "")
        if self.version[0] == 1:
            try:
                kind, config = self.keras1(kind, config, depth)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise FormatError(f"layer {name!r} ({original}): its config is incomplete ({error!r}).") from error
        if registered and ">" in str(registered) and not str(registered).startswith(("Keras>", "keras>")):
            kind = str(registered)
        if ".ops." in module or module.endswith(".ops") or module.startswith("keras.ops"):
            kind = f"ops.{kind}"
        spec = LayerSpec(
            kind, name, config, self.version, trainable=config.get("trainable", True) is not False, original=original,
            backend=self.backend,
        )
        self.input_fields(spec)
        self.wrapped(spec, depth)
        return spec

    def unnamed(self, kind: str) -> str:
        """A name for a layer that has none, as a Sequential inside another one in Keras 1; Keras itself writes ``_1``."""
        return f"{kind.lower()}{self.count}"

    def keras1(self, kind: str, config: dict[str, Any], depth: int) -> tuple[str, dict[str, Any]]:
        if kind == "Merge":
            merged = keras1.merge(config)
            branches = config.get("layers")
            if merged is None:
                return "Lambda", config
            if branches:
                specs = [self.layer(each, depth + 1) for each in branches]
                for spec in specs:
                    if spec.model is None:
                        raise FormatError("Merge: its branches are no models.")
                return "Merge", {**merged[1], "branches": specs, "becomes": merged[0]}
            return merged
        return keras1.upgrade(kind, config)

    def input_fields(self, spec: LayerSpec) -> None:
        """One name for the shape of an input."""
        config = spec.config
        for key in ("batch_input_shape", "batch_shape"):
            if isinstance(config.get(key), list):
                config["batch_shape"] = config[key]
        if isinstance(config.get("dtype"), dict):
            inner = config["dtype"].get("config")
            spec.quantized = config["dtype"].get("class_name") in _QUANTIZED
            config["dtype"] = inner.get("name") if isinstance(inner, dict) else None

    def wrapped(self, spec: LayerSpec, depth: int) -> None:
        """Layers inside a layer: ``layer``, ``backward_layer``, ``cell``, ``cells``."""
        for key in ("layer", "backward_layer", "cell"):
            inner = spec.config.get(key)
            if isinstance(inner, dict) and "class_name" in inner:
                spec.children[key] = self.layer(inner, depth + 1)
        if spec.kind in ("MultiHeadAttention", "GroupedQueryAttention", "GroupQueryAttention"):
            gate = ["gate_dense"] if spec.config.get("use_gate") else []
            for part in ("query_dense", "key_dense", *gate, "value_dense", "output_dense"):
                own = {"use_bias": spec.config.get("use_bias", True)}
                spec.children[part] = LayerSpec("Projection", part, own, self.version, original="EinsumDense", backend=self.backend)
        if isinstance(spec.config.get("cells"), list):
            for i, inner in enumerate(spec.config["cells"]):
                spec.children[f"cell{i}"] = self.layer(inner, depth + 1)
        if spec.kind == "Pipeline" and isinstance(spec.config.get("layers"), list):
            for i, inner in enumerate(spec.config["layers"]):
                spec.children[f"layer{i}"] = self.layer(inner, depth + 1)
        if spec.kind == "Bidirectional" and "layer" in spec.children and "backward_layer" not in spec.children:
            forward = spec.children["layer"]
            config = {**forward.config, "go_backwards": not forward.config.get("go_backwards", False)}
            spec.children["backward_layer"] = LayerSpec(
                forward.kind, f"backward_{forward.name}", config, self.version, trainable=forward.trainable,
                original=forward.original, backend=self.backend,
            )
            if forward.children:
                again = self.layer(spec.config["layer"], depth + 1)
                spec.children["backward_layer"].children = again.children

    def input_shape(self, first: LayerSpec, config: Any) -> list[int | None] | None:
        """The batch shape of a Sequential's input as its first layer tells it."""
        spec = first
        for _ in range(current().depth):
            own = spec.config
            if isinstance(own.get("batch_shape"), list):
                return own["batch_shape"]
            if isinstance(own.get("input_shape"), list):
                return [None, *own["input_shape"]]
            if spec.model is not None:
                inner = next((each for each in spec.model.layers if each.name == spec.model.inputs[0].layer), None)
                return None if inner is None else inner.config.get("batch_shape")
            if spec.kind == "Embedding":
                length = own.get("input_length")
                return [None, *(length if isinstance(length, list) else [length])]
            if isinstance(own.get("input_dim"), int):
                length = own.get("input_length")
                recurrent = spec.kind in ("LSTM", "GRU", "SimpleRNN", "Conv1D", "TimeDistributedDense") or "input_length" in own
                return [None, length, own["input_dim"]] if recurrent else [None, own["input_dim"]]
            if "layer" in spec.children:
                spec = spec.children["layer"]
                continue
            break
        if isinstance(config, dict) and isinstance(config.get("build_input_shape"), list):
            return config["build_input_shape"]
        built = first.config.get("build_config")
        return built["input_shape"] if isinstance(built, dict) and isinstance(built.get("input_shape"), list) else None

    def input_layer(self, name: str, shape: Any, first: LayerSpec) -> LayerSpec:
        dtype = first.config.get("input_dtype") or ("int32" if first.kind == "Embedding" else "float32")
        return LayerSpec("InputLayer", name, {"batch_shape": shape, "dtype": dtype}, self.version, original="InputLayer")

    # -- calls -----------------------------------------------------------------------------------------------------
    def call(self, node: Any, name: str) -> Call:
        if isinstance(node, dict) and (not node or {"args", "kwargs"} & node.keys()):  # Keras 3
            args, kwargs = node.get("args", []), node.get("kwargs", {})
            if not isinstance(args, list) or not isinstance(kwargs, dict):
                raise FormatError(f"layer {name!r}: an inbound node has no lists of arguments.")
            call = Call([self.tensors(a) for a in args], {k: self.tensors(v) for k, v in kwargs.items()})
        else:
            call = self.old_call(node, name)
        for key in _TENSOR_ARGUMENTS:
            if not call.args and key in call.kwargs:
                call.args.append(call.kwargs.pop(key))
        return call

    def tensors(self, value: Any, depth: int = 0) -> Any:
        within("nested arguments", depth, current().depth)
        if isinstance(value, dict):
            if value.get("class_name") == "__keras_tensor__":
                history = value.get("config", {}).get("keras_history") if isinstance(value.get("config"), dict) else None
                return self.ref(history)
            if value.get("class_name") == "__tuple__" and isinstance(value.get("items"), list):
                return [self.tensors(v, depth + 1) for v in value["items"]]
            return {k: self.tensors(v, depth + 1) for k, v in value.items()}
        if isinstance(value, list):
            return [self.tensors(v, depth + 1) for v in value]
        return value

    def old_call(self, node: Any, name: str) -> Call:
        """``[[layer, node, tensor, kwargs], ...]`` of Keras 1, 2 and tf.keras, there also nested and by name in a dict."""
        if not isinstance(node, list | dict):
            raise FormatError(f"layer {name!r}: an inbound node is no list.")
        if isinstance(node, list) and node and isinstance(node[0], str):
            node = [node]
        kwargs: dict[str, Any] = {}
        made = self.old_tensors(node, kwargs)
        return Call([made[0] if isinstance(made, list) and len(made) == 1 else made] if made else [], kwargs)

    def old_tensors(self, value: Any, kwargs: dict[str, Any], depth: int = 0) -> Any:
        within("nested arguments", depth, current().depth)
        if isinstance(value, dict):
            return {key: self.old_tensors(each, kwargs, depth + 1) for key, each in value.items()}
        if isinstance(value, list) and not (value and isinstance(value[0], str)):
            return [self.old_tensors(each, kwargs, depth + 1) for each in value]
        constant = isinstance(value, list) and len(value) > 2 and value[0] == "_CONSTANT_VALUE"
        made = value[2] if constant else self.ref(value)
        if len(value) > 3 and isinstance(value[3], dict):
            kwargs.update({k: self.old_argument(v) for k, v in value[3].items()})
        return made

    def old_argument(self, value: Any, depth: int = 0) -> Any:
        within("nested arguments", depth, current().depth)
        if isinstance(value, list) and len(value) in (3, 4) and isinstance(value[0], str) and all(isinstance(n, int) for n in value[1:3]):
            return self.ref(value)
        if isinstance(value, dict):
            return {k: self.old_argument(v, depth + 1) for k, v in value.items()}
        return [self.old_argument(v, depth + 1) for v in value] if isinstance(value, list) else value

    def ref(self, item: Any) -> Ref:
        if (
            not isinstance(item, list | tuple) or len(item) < 3 or not isinstance(item[0], str)
            or not all(isinstance(n, int) and 0 <= n < 1 << 31 for n in item[1:3])
        ):  # fmt: skip
            raise FormatError(f"a reference to a tensor is {str(item)[:80]!r}; expected [layer, node, tensor].")
        return Ref(item[0], item[1], item[2])

    def refs(self, value: Any) -> list[Ref]:
        """A model's inputs or outputs: one reference, a list of them, or a dict."""
        if isinstance(value, dict):
            value = [value[key] for key in sorted(value)]  # Keras's order
        if not isinstance(value, list):
            return []
        if value and isinstance(value[0], str):
            return [self.ref(value)]
        found = []
        for each in value:
            found += self.refs(each) if isinstance(each, list | dict) else [self.ref(each)]
        return found

    def field(self, config: Any, key: str, kind: type) -> Any:
        if not isinstance(config, dict) or not isinstance(config.get(key), kind):
            raise FormatError(f"the model's config has no {key!r}.")
        return config[key]


def _known_layers() -> Any:
    from sparkdl.importers.keras.table import table

    return table()
