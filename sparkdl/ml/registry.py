"""Users' own classes, by name: what a saved stage may be made of besides the library's own layers, losses and rules."""

from __future__ import annotations

from typing import TypeVar

_known: dict[str, type] = {}
C = TypeVar("C", bound=type)


def register(cls: C) -> C:
    """Class decorator: lets saved stages hold this layer, loss, update rule, trigger or metric.

        @sparkdl.ml.register
        class Swish(nn.Layer): ...

    A stage that was saved with it loads in any process that has imported the file of the class: files name classes,
    they never hold code, and nothing is imported because a file names it.
    """
    other = _known.get(cls.__name__)
    if other is not None and (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
        raise ValueError(f"register: {cls.__name__!r} is the name of {other.__module__}.{other.__qualname__} already.")
    _known[cls.__name__] = cls
    return cls


def registered() -> dict[str, type]:
    """The registered classes by name."""
    return dict(_known)
