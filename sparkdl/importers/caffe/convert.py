"""From the layers of a net to a graph."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from sparkdl import nn
from sparkdl.errors import FormatError, ShapeError, UnsupportedError
from sparkdl.importers import build
from sparkdl.importers.build import Value
from sparkdl.importers.caffe.fillers import fill
from sparkdl.importers.caffe.losses import predictions
from sparkdl.importers.caffe.message import Message
from sparkdl.importers.caffe.net import DATA, LOSSES, METRICS, SINKS, data_shapes, with_scores
from sparkdl.importers.caffe.table import table
from sparkdl.importers.caffe.time import KEEPING, time_first
from sparkdl.importers.caffe.unknown import for_training, is_loss
from sparkdl.importers.caffe.weights import fits
from sparkdl.importers.limits import current, within
from sparkdl.nn.node import Input

Blobs = Mapping[str, list[np.ndarray]]
_KNOWN = DATA | LOSSES | METRICS | SINKS


def check_supported(layers: Sequence[Message]) -> None:
    """One error with all layers that cannot be converted, before any weight is looked at."""
    known, timed, bad = table(), time_first(layers), []
    spare = for_training(layers, _KNOWN | known.keys())
    for layer in layers:
        kind = layer["type"]
        if kind in _KNOWN or any(layer is each for each in spare):
            continue
        if kind == "Python" and kind not in known:
            made = ".".join(layer["python_param"][f] for f in ("module", "layer"))
            bad.append(f"{layer['name']!r} (Python): runs code that is not in the file ({made})")
        elif kind not in known:
            bad.append(f"{layer['name']!r} ({kind or 'no type'}): unknown layer type")
        elif not timed & set(layer["bottom"][:1]) and (why := known[kind].refuse(layer)):  # axis 0 may be time
            bad.append(f"{layer['name']!r} ({kind}): {why}")
    bad += _parameters_elsewhere(layers)
    if bad:
        raise UnsupportedError(
            "the net has layers that are not supported:\n  " + "\n  ".join(bad)
            + "\nGive a converter for them: sparkdl.importers.register_caffe('Type', converter)."
        )


def _parameters_elsewhere(layers: Sequence[Message]) -> list[str]:
    """Complaints about blobs of Parameter layers, which have no batch axis, that are more than a second bottom of Scale or Bias."""
    bad: list[str] = []
    held: set[str] = set()
    for layer in layers:
        taken = layer["bottom"][1:2] if layer["type"] in ("Scale", "Bias") else []
        for name in held & set(layer["bottom"]):
            if layer["bottom"] != [layer["bottom"][0], *taken] or name == layer["bottom"][0]:
                bad.append(f"{layer['name']!r} ({layer['type']}): reads {name!r} of a Parameter layer, which only Scale and Bias can, as second bottom")
        change = held.update if layer["type"] == "Parameter" else held.difference_update
        change(layer["top"])
    return bad


class Conversion:
    """What a converter sees of one layer."""

    def __init__(self, net: NetBuilder, layer: Message, inputs: list[Value]) -> None:
        self.net, self.layer, self.inputs = net, layer, inputs
        self.name, self.type = layer["name"], layer["type"]
        self.used = 0  # how many blobs of the file have been asked for

    @property
    def x(self) -> Value:
        """The only input."""
        self.takes(1)
        return self.inputs[0]

    def takes(self, least: int, most: int | None = None) -> None:
        if not least <= len(self.inputs) <= (least if most is None else most):
            raise FormatError(f"layer {self.name!r} ({self.type}) has {len(self.inputs)} bottoms.")

    def axis(self, axis: int, ndim: int) -> int:
        """A canonical axis, which must not be the batch."""
        if not -ndim <= axis < ndim:
            raise FormatError(f"layer {self.name!r} ({self.type}): axis {axis} of a blob of {ndim} axes.")
        found = axis % ndim
        if self.layer["bottom"] and self.layer["bottom"][0] in self.net.time_first and found < 2:
            found = 1 - found  # (time, batch, *) in the file
        if found == 0:
            raise UnsupportedError(f"layer {self.name!r} ({self.type}) works along axis {axis % ndim}, which is the batch here.")
        return found

    def blob(self, index: int, shape: Sequence[int], filler: Message | None = None) -> np.ndarray:
        """Weight ``index`` of this layer in ``shape`` (checked), or one drawn by ``filler`` if there are no weights."""
        shape = tuple(int(n) for n in shape)
        self.used = max(self.used, index + 1)
        blobs = self.net.blobs
        if blobs is None:
            count = 1
            for n in shape:
                count *= n
            self.net.unbacked += count
            within(f"layer {self.name!r}: weights without a file", self.net.unbacked, current().unbacked)
            return fill(filler or Message("FillerParameter"), shape)
        own = blobs.get(self.name)
        if own is None or index >= len(own):
            held = f"it holds {len(own)} blobs of it" if own else "it holds nothing of that name"
            raise FormatError(f"layer {self.name!r} ({self.type}): weight {index} of shape {shape} is missing in the file; {held}.")
        if not fits(own[index], shape):
            raise FormatError(
                f"layer {self.name!r} ({self.type}): weight {index} has shape {own[index].shape} in the file, "
                f"the net wants {shape}."
            )
        return own[index].reshape(shape).astype(np.float32, copy=False)

    def has_blob(self, index: int) -> bool:
        return self.net.blobs is not None and index < len(self.net.blobs.get(self.name, ()))

    def set(self, layer: nn.Layer, attribute: str, index: int, value: np.ndarray) -> None:
        """Gives ``layer`` its weight, or the parameter that another layer shares under the same name."""
        parameter = getattr(layer, attribute)
        specs = self.layer["param"]
        spec = specs[index] if index < len(specs) else Message("ParamSpec")
        if spec["name"]:
            first = self.net.shared.setdefault(spec["name"], parameter)
            if first is not parameter:
                if first.shape != parameter.shape:
                    raise FormatError(f"layer {self.name!r}: shared weight {spec['name']!r} has shapes {first.shape} and {parameter.shape}.")
                setattr(layer, attribute, first)
                return
        parameter.value = value
        parameter.trainable = spec["lr_mult"] != 0
        self.net.multipliers[id(parameter)] = (parameter, spec["lr_mult"], spec["decay_mult"])

    def apply(self, layer: nn.Layer, *values: Value, suffix: str = "") -> Any:
        return build.apply(layer, values, f"{self.name}/{suffix}" if suffix else self.name)


class Held(Value):
    """The array of a Parameter layer: of no sample, so it can only become part of another layer."""

    __slots__ = ("conversion", "array")

    def __init__(self, conversion: Conversion, array: np.ndarray) -> None:
        super().__init__(Input(name=conversion.name), None)
        self.conversion, self.array = conversion, array


class NetBuilder:
    """Converts layers one after another; blobs are known by the name that they have at that point."""

    def __init__(self, blobs: Blobs | None, inputs: Mapping[str, Sequence[int | None]] | None) -> None:
        self.blobs, self.given = blobs, dict(inputs or {})
        self.values: dict[str, Value] = {}
        self.inputs: dict[str, Value] = {}
        self.pending: dict[str, Value] = {}  # outputs that nothing has read yet, in order
        self.made: dict[str, str] = {}  # output -> layer that makes it
        self.shared: dict[str, Any] = {}
        self.multipliers: dict[int, tuple[Any, float, float]] = {}
        self.unbacked = 0
        self.first_weights: dict[str, int] = {}
        self.preprocess: dict[str, Message] = {}
        self.losses: list[Message] = []
        self.time_first: set[str] = set()
        self.train = False
        self.left_out: dict[str, str] = {}  # tops of layers that are not there in this state

    def run(self, layers: Sequence[Message], train: bool = False) -> nn.Graph:
        self.train = train
        spare = for_training(layers, _KNOWN | table().keys())
        if spare:
            shown = ", ".join(f"{layer['name']!r} ({layer['type']})" for layer in spare)
            warnings.warn(f"layers of unknown types are left out, as only training needs them: {shown}.", stacklevel=2)
        left = {id(layer) for layer in spare}
        self.losses = [layer for layer in layers if layer["type"] in LOSSES or (id(layer) in left and is_loss(layer))]
        kept = [layer for layer in with_scores(layers) if layer["type"] not in LOSSES | METRICS and id(layer) not in left]
        self._channels(kept)
        self.time_first = time_first(kept)
        for layer in kept:
            kind = layer["type"]
            if kind in DATA:
                self._data(layer)
            elif kind in SINKS:
                for bottom in layer["bottom"]:
                    self.pending.pop(bottom, None)
            else:
                self._convert(layer)
        self._check_surplus(kept)
        if train and self.losses:  # what no loss reads is of no use in training
            read = {name for layer in self.losses for name in predictions(layer)}
            self.pending = {name: value for name, value in self.values.items() if name in read and name in self.made}
        return self._graph()

    def _channels(self, layers: list[Message]) -> None:
        """Channels of pictures that only the weights behind them tell."""
        for layer in layers:
            own = (self.blobs or {}).get(layer["name"])
            if layer["type"] == "Convolution" and own and own[0].ndim > 1 and layer["bottom"]:
                channels = own[0].shape[1] * max(layer["convolution_param"]["group"], 1)
                self.first_weights.setdefault(layer["bottom"][0], channels)

    def _data(self, layer: Message) -> None:
        for top, shape in zip(layer["top"], data_shapes(layer, self.time_first), strict=True):
            if top in self.given:
                shape = tuple(self.given.pop(top))
            elif shape is None or (shape and shape[0] is None):
                channels = self.first_weights.get(top)
                shape = None if channels is None else (channels, *(shape[1:] if shape else (None, None)))
            value = build.new_input(shape, top)
            self.values[top] = self.inputs[top] = value
        if layer["top"] and "transform_param" in layer:
            self.preprocess[layer["top"][0]] = layer["transform_param"]

    def _convert(self, layer: Message) -> None:
        inputs = []
        for bottom in layer["bottom"]:
            if bottom not in self.values:
                other = self.left_out.get(bottom)
                hint = f" Layer {other!r} makes it, which the net's rules leave out in this phase, level and stages." if other else ""
                raise FormatError(f"layer {layer['name']!r}: bottom {bottom!r} is made by no layer before it.{hint}")
            inputs.append(self.values[bottom])
        timed = [name for name in layer["bottom"] if name in self.time_first]
        if timed and layer["type"] not in KEEPING:
            raise UnsupportedError(
                f"layer {layer['name']!r} ({layer['type']}) reads {timed[0]!r}, which has time in front of the batch; "
                f"between recurrent layers only these are known: {', '.join(sorted(KEEPING))}."
            )
        conversion = Conversion(self, layer, inputs)
        try:
            made = table()[layer["type"]].convert(conversion)
        except build.OpenShape as error:
            open_ = {name: (3, 227, 227) for name, value in self.inputs.items() if value.shape is None or None in value.shape}
            raise FormatError(
                f"layer {layer['name']!r} ({layer['type']}): {error} The net's inputs that are open are {', '.join(map(repr, open_))}; "
                f"give their shapes without the batch, for example inputs={open_}."
            ) from error
        except (FormatError, UnsupportedError):
            raise
        except (ShapeError, ValueError) as error:  # a layer of ours that does not take such numbers
            raise FormatError(f"layer {layer['name']!r} ({layer['type']}): {error}") from error
        outputs = made if isinstance(made, tuple) else (made,)
        tops = layer["top"] or [layer["name"]]
        if len(outputs) < len(tops):
            raise FormatError(f"layer {layer['name']!r} ({layer['type']}) makes {len(outputs)} blobs, {len(tops)} tops are named.")
        for bottom in layer["bottom"]:
            self.pending.pop(bottom, None)
        for top, value in zip(tops, outputs, strict=False):
            self.values[top] = self.pending[top] = value
            self.made[top] = layer["name"]
        own = (self.blobs or {}).get(layer["name"], ())
        if len(own) > conversion.used:
            warnings.warn(f"layer {layer['name']!r}: {len(own) - conversion.used} of {len(own)} blobs in the file are not used.", stacklevel=2)
        if unknown := layer.all_unknown():
            warnings.warn(f"layer {layer['name']!r}: unknown fields {unknown} are ignored.", stacklevel=2)

    def _check_surplus(self, layers: list[Message]) -> None:
        if self.given:
            raise ShapeError(f"inputs={self.given}: the net has no such inputs; its inputs are {list(self.inputs)}.")
        surplus = sorted((self.blobs or {}).keys() - {layer["name"] for layer in layers})
        if surplus:
            shown = ", ".join(surplus[:10]) + (", ..." if len(surplus) > 10 else "")
            warnings.warn(f"the file holds weights of {len(surplus)} layers that the net does not have: {shown}.", stacklevel=2)

    def _graph(self) -> nn.Graph:
        if not self.pending:
            raise FormatError("the net has no output: every blob is read by another layer.")
        outputs = list(self.pending.values())
        used = _reached([v.node for v in outputs])
        inputs = [v.node for v in self.inputs.values() if id(v.node) in used]
        if not inputs:
            raise FormatError("no output of the net depends on an input.")
        graph = nn.Graph(inputs, [v.node for v in outputs])
        for value in self.inputs.values():
            if value.examples is not None and len(value.examples) == 1:
                value.node._example = np.zeros((1, *value.examples[0].shape[1:]), np.float32) if _small(value) else None
        graph.output_names = list(self.pending)
        graph.output_layers = [self.made[name] for name in self.pending]
        return graph


def _small(value: Value) -> bool:
    return value.examples is not None and prod(value.examples[0].shape[1:]) <= 1 << 26


def _reached(nodes: list[Any]) -> set[int]:
    seen, stack = set(), list(nodes)
    while stack:
        node = stack.pop()
        if id(node) not in seen:
            seen.add(id(node))
            if node.call is not None:
                stack.extend(node.call.inputs)
    return seen
