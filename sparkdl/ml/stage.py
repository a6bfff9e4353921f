"""What Spark's own stages have and Python ones must write out: keyword constructor, setParams, setX and getX."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from pyspark.ml.param import Param, Params

C = TypeVar("C", bound=type)


def stage(cls: C) -> C:
    """Class decorator for a stage: for each of its params ``setX(value)`` and ``getX()`` where no base has written them
    already, ``setParams(**)``, and a constructor of keywords whose signature names all params.
    """
    params = {name: value for name in dir(cls) if isinstance(value := getattr(cls, name), Param)}
    for name, param in params.items():
        title = name[0].upper() + name[1:]
        for made in (_setter(title, name, param), _getter(title, name, param)):
            if not hasattr(cls, made.__name__):
                setattr(cls, made.__name__, made)
    keywords = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None) for name in params]
    start: Any = vars(cls)["__init__"]

    @functools.wraps(start)
    def __init__(self: Any, **values: Any) -> None:
        _check(cls, values, params)
        start(self)
        self._set(**values)

    def setParams(self: Any, **values: Any) -> Any:
        _check(cls, values, params)
        return self._set(**values)

    setParams.__doc__ = "Sets params by name."
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    for function in (__init__, setParams):
        setattr(function, "__signature__", inspect.Signature([own, *keywords]))  # noqa: B010
        setattr(cls, function.__name__, function)
    return cls


def _check(cls: type, values: dict[str, Any], params: dict[str, Any]) -> None:
    unknown = sorted(set(values) - set(params))
    if unknown:
        raise TypeError(f"{cls.__name__} has no param {unknown[0]!r}; it has {', '.join(sorted(params))}.")


def _setter(title: str, name: str, param: Param[Any]) -> Callable[..., Any]:
    def setter(self: Params, value: Any) -> Params:
        return self._set(**{name: value})

    setter.__name__ = setter.__qualname__ = f"set{title}"
    setter.__doc__ = f"Sets {name}: {param.doc}"
    return setter


def _getter(title: str, name: str, param: Param[Any]) -> Callable[..., Any]:
    def getter(self: Params) -> Any:
        return self.getOrDefault(name)

    getter.__name__ = getter.__qualname__ = f"get{title}"
    getter.__doc__ = f"The value of {name}, or its default: {param.doc}"
    return getter
