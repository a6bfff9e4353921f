"""Objects that can be written down as plain JSON: constructor arguments are kept as given, under their own names."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from sparkdl.arguments import Checked
from sparkdl.errors import FormatError, UnsupportedError


class Configured(Checked):
    """Keeps every constructor argument as an attribute of the same name; derived things get another name.

    From this follow ``config()``, ``from_config`` and the repr.
    """

    def config(self) -> dict[str, Any]:
        """``{"type": class name, argument: value, ...}`` in plain JSON; see `from_config`."""
        return {"type": type(self).__name__, **{k: _plain(v) for k, v in self.arguments().items()}}

    def arguments(self) -> dict[str, Any]:
        """The constructor's arguments, as given."""
        return {name: getattr(self, name) for name in _parameters(type(self))}

    def __repr__(self) -> str:
        shown = []
        for name, parameter in _parameters(type(self)).items():
            value = getattr(self, name)
            if parameter.kind is parameter.VAR_POSITIONAL:
                shown += [repr(v) for v in value]
            elif value is not parameter.default and value != parameter.default:
                shown.append(f"{name}={value!r}")
        return f"{type(self).__name__}({', '.join(shown)})"


def from_config(config: Mapping[str, Any], known: Mapping[str, type] | None = None) -> Any:
    """The object that `Configured.config` described.

    Only classes that ``sparkdl.optim`` exports and those in ``known`` (``{"Name": Class}``) are made: nothing is
    imported because a file names it.
    """
    return _made(config, known or {})


def _parameters(cls: type) -> Mapping[str, inspect.Parameter]:
    """The constructor's parameters by name; for ``**shared`` those of the next class that has a constructor."""
    found: dict[str, inspect.Parameter] = {}
    for base in cls.__mro__:
        if "__init__" not in vars(base) or base is object:
            continue
        own = dict(list(inspect.signature(vars(base)["__init__"]).parameters.items())[1:])
        more = [name for name, p in own.items() if p.kind is p.VAR_KEYWORD]
        found |= {name: p for name, p in own.items() if name not in found and name not in more}
        if not more:
            break
    return found


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Configured):
        return value.config()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if callable(value):  # says what it was; code is never stored
        return {"function": f"{getattr(value, '__module__', '?')}.{getattr(value, '__qualname__', repr(value))}"}
    raise UnsupportedError(
        f"cannot write {value!r} down as JSON; use numbers, text, lists and objects of sparkdl.optim."
    )


def _made(value: Any, known: Mapping[str, type]) -> Any:
    if isinstance(value, list):
        return tuple(_made(v, known) for v in value)
    if not isinstance(value, Mapping):
        return value
    if set(value) == {"function"}:
        raise UnsupportedError(
            f"the function {value['function']} was not stored, since files never hold code; write a class for it, "
            "or make the object anew."
        )
    if "type" not in value:
        return {k: _made(v, known) for k, v in value.items()}
    cls = _class(value["type"], known)
    arguments = {k: _made(v, known) for k, v in value.items() if k != "type"}
    positional = []
    for name, parameter in _parameters(cls).items():
        if parameter.kind is parameter.VAR_POSITIONAL:
            positional = arguments.pop(name, [])
    if unknown := sorted(set(arguments) - set(_parameters(cls))):
        raise FormatError(f"{cls.__name__} has no argument {unknown[0]!r}; it has {', '.join(_parameters(cls))}.")
    return cls(*positional, **arguments)


def _class(name: Any, known: Mapping[str, type]) -> type:
    from sparkdl import optim

    cls = known.get(name) if name in known else getattr(optim, name) if name in optim.__all__ else None
    if not (isinstance(cls, type) and issubclass(cls, Configured)):
        raise FormatError(
            f"no class of sparkdl.optim is called {name!r}; pass your own ones as known={{{name!r}: YourClass}}."
        )
    return cls
