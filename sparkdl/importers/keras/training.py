"""Optimizer, loss and metrics that a Keras file was compiled with."""

from __future__ import annotations

from typing import Any

from sparkdl.importers.keras.spec import ModelSpec


def compiled(config: Any, model: ModelSpec) -> Any:
    return None
