"""Losses as plain JSON, and back."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np

from sparkdl.errors import FormatError
from sparkdl.nn.losses.loss import Loss
from sparkdl.nn.module import Module
from sparkdl.nn.serialize import describe, make


def loss_config(loss: Loss) -> dict[str, Any]:
    """``{"type": class name, argument: value, ...}``, losses inside it likewise, in plain JSON.

    Nets inside it (TransformerLoss) are there with structure and weights. Raises FormatError for arguments that JSON
    cannot hold.
    """
    return {"type": type(loss).__name__, **{name: _plain(loss, name, v) for name, v in loss.config().items()}}


def loss_from_config(
    config: Mapping[str, Any],
    losses: Mapping[str, type[Loss]] | None = None,
    layers: Mapping[str, type[Module]] | None = None,
) -> Loss:
    """The loss that `loss_config` described. Only losses and layers of ``sparkdl.nn`` and those in ``losses`` and
    ``layers`` (``{"Name": Class}``) are made: nothing is imported because a file names it.
    """
    from sparkdl import nn

    name = config.get("type")
    cls = (losses or {}).get(str(name)) or (getattr(nn, str(name)) if name in nn.__all__ else None)
    if not (isinstance(cls, type) and issubclass(cls, Loss)):
        raise FormatError(f"no loss is called {name!r}; is it yours? Then give its class by name.")
    return cls(**{name: _made(value, losses, layers) for name, value in config.items() if name != "type"})


def _plain(loss: Loss, name: str, value: Any) -> Any:
    if isinstance(value, Loss):
        return loss_config(value)
    if isinstance(value, Module):
        return _net(value)
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(loss, name, each) for each in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise FormatError(f"{type(loss).__name__}: argument {name!r} is a {type(value).__name__}, which JSON cannot hold.")


def _made(value: Any, losses: Mapping[str, type[Loss]] | None, layers: Mapping[str, type[Module]] | None) -> Any:
    if isinstance(value, Mapping) and "type" in value:
        return loss_from_config(value, losses, layers)
    if isinstance(value, Mapping) and "module" in value:
        arrays = {name: _array(*each) for name, each in value["arrays"].items()}
        return make(value["module"], arrays, "the module of a loss", layers)
    return [_made(each, losses, layers) for each in value] if isinstance(value, list) else value


def _net(module: Module) -> dict[str, Any]:
    description, arrays = describe(module)
    return {
        "module": description,
        "arrays": {k: [str(a.dtype), list(a.shape), base64.b64encode(a.tobytes()).decode()] for k, a in arrays.items()},
    }


def _array(dtype: str, shape: list[int], data: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(data), np.dtype(dtype)).reshape(shape).copy()
