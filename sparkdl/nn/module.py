"""Module, the thing that has weights, and Layer, the leaf that computes."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from sparkdl.arguments import check
from sparkdl.errors import ShapeError
from sparkdl.nn.parameter import Parameter

if TYPE_CHECKING:
    from sparkdl.nn.explain import Plan


class Module:
    """Holds parameters, buffers, sub-modules and hyper-parameters, found by attribute assignment.

    A container defines ``forward(*xs)`` in terms of its sub-modules and operators. ``module(x)`` runs it on arrays
    and returns arrays; ``module.backward(dy)`` after a call in training mode returns the gradient of the input and
    adds to the parameters' gradients. A module made of modules is traced once: its ``forward`` runs on symbolic nodes.
    """

    training: bool

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...  # what was assigned: parameters, buffers, sub-modules

    def __init__(self) -> None:
        self._ready()

    def _ready(self) -> None:
        if "_modules" not in self.__dict__:
            object.__setattr__(self, "_parameters", {})
            object.__setattr__(self, "_buffers", {})
            object.__setattr__(self, "_modules", {})
            object.__setattr__(self, "_local", threading.local())  # programs and last runs, per thread
            object.__setattr__(self, "training", True)

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        check(cls, args, kwargs)
        self = super().__new__(cls)
        self._ready()  # so that a subclass may assign before, or without, calling super().__init__()
        return self

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Lets ``forward`` and ``backward`` of any module be called on arrays too, besides nodes and with a ``ctx``."""
        super().__init_subclass__(**kwargs)
        for name, on_arrays in (("forward", Module.__call__), ("backward", Module.backward)):
            if name in cls.__dict__:
                setattr(cls, name, _for_arrays_too(cls.__dict__[name], on_arrays))

    # -- attributes ------------------------------------------------------------------------------------------------
    def __setattr__(self, name: str, value: Any) -> None:
        kind = Parameter if isinstance(value, Parameter) else Module if isinstance(value, Module) else None
        for table, holds in ((self._parameters, Parameter), (self._modules, Module)):
            if name in table and kind is not holds:
                del table[name]
        if name in self._buffers and (kind is not None or value is None):
            del self._buffers[name]
        if isinstance(value, Parameter):
            self._parameters[name] = value
        elif isinstance(value, Module):
            self._modules[name] = value
            self._forget()
        elif name in self._buffers:
            self._buffers[name][...] = value
            return
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        for table in (self._parameters, self._buffers, self._modules):
            table.pop(name, None)
        object.__delattr__(self, name)
        self._forget()

    def register_buffer(self, name: str, value: Any) -> None:
        """Adds an array that training changes but no gradient does (running statistics): saved and snapshotted."""
        array = np.array(value)
        object.__setattr__(self, name, array)
        self._buffers[name] = array

    def _set_buffer(self, name: str, array: np.ndarray) -> None:
        """Puts a buffer's memory elsewhere (flat vectors)."""
        self._buffers[name] = array
        object.__setattr__(self, name, array)

    # -- walking ---------------------------------------------------------------------------------------------------
    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """``(path, module)`` of this module (path ``""``) and all below it, each once, in order of definition."""
        seen: set[int] = set()

        def walk(module: Module, path: str) -> Iterator[tuple[str, Module]]:
            if id(module) in seen:
                return
            seen.add(id(module))
            yield path, module
            for name, child in module._modules.items():
                yield from walk(child, f"{path}.{name}" if path else name)

        yield from walk(self, prefix)

    def modules(self) -> Iterator[Module]:
        return (module for _, module in self.named_modules())

    def children(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        return iter(self._modules.items())

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """``(path, parameter)``, tied parameters once, under the first path that reaches them."""
        seen: set[int] = set()
        for path, module in self.named_modules():
            for name, parameter in module._parameters.items():
                if id(parameter) not in seen:
                    seen.add(id(parameter))
                    yield f"{path}.{name}" if path else name, parameter

    def parameters(self) -> Iterator[Parameter]:
        return (parameter for _, parameter in self.named_parameters())

    def named_buffers(self) -> Iterator[tuple[str, np.ndarray]]:
        for path, module in self.named_modules():
            for name, buffer in module._buffers.items():
                yield f"{path}.{name}" if path else name, buffer

    def __getitem__(self, path: str) -> Module:
        """The module at a dotted path, as in ``model["features.0"]``."""
        module: Module = self
        for name in path.split("."):
            if name not in module._modules:
                known = ", ".join(module._modules) or "none"
                raise KeyError(f"{type(module).__name__} has no sub-module {name!r} (path {path!r}); it has: {known}.")
            module = module._modules[name]
        return module

    def replace(self, path: str, module: Module) -> Module:
        """Puts ``module`` at ``path`` and returns the one that was there."""
        parent_path, _, name = path.rpartition(".")
        parent = self[parent_path] if parent_path else self
        old = parent[name]
        parent._put(name, module)
        for each in self.modules():
            each._forget()
        return old

    def _put(self, name: str, module: Module) -> None:
        setattr(self, name, module)

    def upto(self, path: str) -> Module:
        """A graph that ends with the output of the sub-module at ``path`` and shares all weights."""
        from sparkdl.nn.graph import upto

        return upto(self, path)

    # -- modes -----------------------------------------------------------------------------------------------------
    def train(self, mode: bool = True) -> Module:
        for module in self.modules():
            object.__setattr__(module, "training", mode)
        return self

    def eval(self) -> Module:
        return self.train(False)

    def freeze(self, *paths: str) -> Module:
        """Takes the parameters under ``paths`` (all, if none is named) out of training: no update, decay or traffic."""
        return self._set_trainable(paths, False)

    def unfreeze(self, *paths: str) -> Module:
        return self._set_trainable(paths, True)

    def _set_trainable(self, paths: tuple[str, ...], value: bool) -> Module:
        for module in [self[path] for path in paths] or [self]:
            for parameter in module.parameters():
                parameter.trainable = value
        return self

    @property
    def dtype(self) -> np.dtype:
        """dtype of the weights; float32 for a module without weights."""
        return next((p.dtype for p in self.parameters()), self.__dict__.get("_dtype", np.dtype(np.float32)))

    def to(self, dtype: Any) -> Module:
        """Converts all weights and floating buffers to float32 or float64, in place."""
        dtype = np.dtype(dtype)
        if dtype not in (np.float32, np.float64):
            raise ShapeError(f"a model is float32 or float64, not {dtype}.")
        for parameter in self.parameters():
            parameter.data, parameter.grad = parameter.data.astype(dtype), None
        for module in self.modules():
            object.__setattr__(module, "_dtype", dtype)
            for name, buffer in module._buffers.items():
                if buffer.dtype.kind == "f":
                    module._set_buffer(name, buffer.astype(dtype))
        return self

    def double(self) -> Module:
        return self.to(np.float64)

    def float(self) -> Module:
        return self.to(np.float32)

    @property
    def compute(self) -> str:
        """In which type the factors of matrix products are; see `compute_in`."""
        return str(self.__dict__.get("_compute", "float32"))

    def compute_in(self, dtype: str) -> Module:
        """Takes the factors of matrix products in "bfloat16" from here on, or as they are ("float32"); in place.

        For ``model(x)``, training and scoring of a model of float32: the factors of linear and attention layers, of the
        inputs of recurrent ones, and of convolutions of an even number of channels that go by sums over taps (1x1,
        strided and large windows; the gradients of the weights of 1x1 ones alone) are rounded to the 8 bits of
        bfloat16. Sums, weights, their update and all else stay float32. Up to twice as fast on CPUs with AVX512_BF16,
        the same bits but slower elsewhere. It counts for the model that it was called on, not for one that this is a
        part of.
        """
        if dtype not in ("float32", "bfloat16"):
            raise ValueError(f"compute_in: expected 'float32' or 'bfloat16', got {dtype!r}.")
        object.__setattr__(self, "_compute", dtype)
        self._forget()
        return self

    def zero_grad(self) -> None:
        for parameter in self.parameters():
            parameter.touched = False
            if parameter.grad is not None:
                parameter.grad.fill(0)

    # -- running ---------------------------------------------------------------------------------------------------
    def forward(self, *xs: Any) -> Any:
        raise TypeError(f"{type(self).__name__} defines no forward.")

    def __call__(self, *xs: Any) -> Any:
        from sparkdl.nn.graph import call

        return call(self, xs)

    def backward(self, *dy: Any) -> Any:
        from sparkdl.nn.graph import call_backward

        return call_backward(self, dy)

    def predict(self, x: Any, batch_size: int = 256) -> Any:
        """The outputs in eval mode for ``x`` (an array; a tuple, list or dict of them), ``batch_size`` rows a time."""
        from sparkdl.nn.predict import predict

        return predict(self, x, batch_size)

    def _forget(self) -> None:
        """Drops the traced program, after the structure has changed."""
        object.__setattr__(self, "_local", threading.local())

    # -- state -----------------------------------------------------------------------------------------------------
    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of all parameters (PyTorch's shapes) and buffers by path."""
        state = {name: np.array(p.value) for name, p in self.named_parameters()}
        state.update((name, np.array(b)) for name, b in self.named_buffers())
        return state

    def load_state_dict(self, state: dict[str, Any], strict: bool = True) -> None:
        """Copies arrays into the parameters and buffers of the same names; all names and shapes are checked first."""
        own: dict[str, Any] = dict(self.named_parameters())
        own.update(self.named_buffers())
        missing, surplus = own.keys() - state.keys(), state.keys() - own.keys()
        if strict and (missing or surplus):
            raise KeyError(f"load_state_dict: missing {sorted(missing)}, not expected {sorted(surplus)}.")
        wrong = [
            f"{name}: expected {own[name].shape}, got {np.shape(state[name])}"
            for name in own.keys() & state.keys()
            if own[name].shape != np.shape(state[name])
        ]
        if wrong:
            raise ShapeError("load_state_dict: " + "; ".join(sorted(wrong)))
        for name in own.keys() & state.keys():
            target = own[name].value if isinstance(own[name], Parameter) else own[name]
            target[...] = state[name]

    def save(self, path: str | Path) -> None:
        """Writes the model as plain files in folder ``path``: structure as JSON, arrays beside it, hashed."""
        from sparkdl.nn.serialize import save

        save(self, path)

    def config(self) -> dict[str, Any]:
        """The constructor's arguments, read from the attributes of the same names."""
        return {
            name: getattr(self, name)
            for name, p in inspect.signature(type(self).__init__).parameters.items()
            if name != "self" and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL) and hasattr(self, name)
        }

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_local"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for key, value in state.items():
            object.__setattr__(self, key, value)
        for name, array in self._buffers.items():  # pickling made two of what is one
            object.__setattr__(self, name, array)
        self._forget()

    # -- showing ---------------------------------------------------------------------------------------------------
    def summary(self, *input_shapes: tuple[int, ...]) -> str:
        """A table of layers, output shapes and parameter counts; shapes without the batch axis."""
        from sparkdl.nn.summary import summary

        return summary(self, input_shapes)

    def run(self, feeds: dict[str, Any], fetches: list[str] | tuple[str, ...]) -> dict[str, np.ndarray]:
        """Values by name, computed from other values by name: ``model.run({"x": x}, ["conv1"])``; see `nn.partial`."""
        from sparkdl.nn.partial import run

        return run(self, feeds, fetches)

    def plan(self, *input_shapes: tuple[int, ...], dtypes: tuple[Any, ...] = ()) -> Plan:
        """How a batch of these shapes (with the batch axis) is computed; ``print(model.plan((32, 1, 28, 28)))``."""
        from sparkdl.nn.explain import Plan

        return Plan(self, input_shapes, dtypes)

    def extra_repr(self) -> str:
        """The hyper-parameters, as in the constructor call."""
        given = []
        for name, p in inspect.signature(type(self).__init__).parameters.items():
            if name == "self" or p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL) or not hasattr(self, name):
                continue
            value = getattr(self, name)
            if isinstance(value, Module | Parameter) or (p.default is not p.empty and _same(value, p.default)):
                continue
            given.append(repr(value) if p.default is p.empty else f"{name}={value!r}")
        return ", ".join(given)

    def __repr__(self) -> str:
        lines = [f"  ({name}): " + repr(child).replace("\n", "\n  ") for name, child in self._modules.items()]
        head = f"{type(self).__name__}({self.extra_repr()}"
        return head + ")" if not lines else "\n".join([head, *lines, ")"])


def _for_arrays_too(function: Callable[..., Any], on_arrays: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def either(self: Module, *args: Any, **kwargs: Any) -> Any:
        if kwargs or any(getattr(a, "symbolic", False) for a in args):
            return function(self, *args, **kwargs)
        return on_arrays(self, *args)

    return either


def _in_floats(forward: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(forward)
    def with_floats(self: Layer, *xs: Any, ctx: Any) -> Any:
        if not self.integers:
            xs = tuple(x.astype(ctx.dtype) if x.dtype.kind in "iub" else x for x in xs)
        return forward(self, *xs, ctx=ctx)

    return with_floats


def _same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and bool(np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b)


class Layer(Module):
    """A leaf: ``forward(*xs, ctx=...)`` computes the output, ``backward(*dys, ctx=...)`` the gradients of the inputs.

    What one use needs lives in its ``ctx``, never on the layer, so that one layer can stand in several places and
    serve several threads. ``outputs`` says how many arrays ``forward`` returns. Arrays of whole numbers come as floats,
    unless the layer sets ``integers``.
    """

    outputs = 1
    integers = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        if "forward" in cls.__dict__:
            cls.forward = _in_floats(cls.__dict__["forward"])  # type: ignore[method-assign]
        super().__init_subclass__(**kwargs)

    def forward(self, *xs: Any, **ctx: Any) -> Any:
        raise TypeError(f"{type(self).__name__} defines no forward(x, ctx).")

    def backward(self, *dys: Any, **ctx: Any) -> Any:
        raise TypeError(f"{type(self).__name__} defines no backward(dy, ctx): it cannot be trained through.")

    def reset_parameters(self) -> None:
        """Draws the initial weights anew; layers without weights do nothing."""
