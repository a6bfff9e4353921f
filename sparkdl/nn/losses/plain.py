"""Losses as plain JSON, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sparkdl.errors import FormatError
from sparkdl.nn.losses.loss import Loss


def loss_config(loss: Loss) -> dict[str, Any]:
    """``{"type": class name, argument: value, ...}``, losses inside it likewise, in plain JSON.

    Raises FormatError for arguments that JSON cannot hold, as the nets of a TransformerLoss.
    """
    return {"type": type(loss).__name__, **{name: _plain(loss, name, v) for name, v in loss.config().items()}}


def loss_from_config(config: Mapping[str, Any], losses: Mapping[str, type[Loss]] | None = None) -> Loss:
    """The loss that `loss_config` described. Only losses of ``sparkdl.nn`` and those in ``losses``
    (``{"Name": Class}``) are made: nothing is imported because a file names it.
    """
    from sparkdl import nn

    name = config.get("type")
    cls = (losses or {}).get(str(name)) or (getattr(nn, str(name)) if name in nn.__all__ else None)
    if not (isinstance(cls, type) and issubclass(cls, Loss)):
        raise FormatError(f"no loss is called {name!r}; is it yours? Then give its class by name.")
    return cls(**{name: _made(value, losses) for name, value in config.items() if name != "type"})


def _plain(loss: Loss, name: str, value: Any) -> Any:
    if isinstance(value, Loss):
        return loss_config(value)
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(loss, name, each) for each in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise FormatError(f"{type(loss).__name__}: argument {name!r} is a {type(value).__name__}, which JSON cannot hold.")


def _made(value: Any, losses: Mapping[str, type[Loss]] | None) -> Any:
    if isinstance(value, Mapping) and "type" in value:
        return loss_from_config(value, losses)
    return [_made(each, losses) for each in value] if isinstance(value, list) else value
