"""Low-rank additions to kernels, which whole-model HDF5 files keep apart: ``kernel + alpha / rank * a @ b``."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparkdl.errors import FormatError
from sparkdl.importers.keras.spec import LayerSpec

ADDED = ("lora_a", "lora_b")


def with_lora(spec: LayerSpec, names: list[str]) -> list[str]:
    """The variables of a layer as such a file lists them: beside an addition the kernel is not trained."""
    return [f"{names[0].rstrip('!')}!", *names[1:], *ADDED] if spec.config.get("lora_rank") and names else names


def merged(spec: LayerSpec, weights: dict[str, Any], read: Any) -> list[Any]:
    """The weights by the layer's own order, from those by name, additions added."""
    names = [name for name in weights if name not in ADDED]
    if ADDED[0] not in weights:
        return list(weights.values())
    kernel, a, b = (read(weights[name]) for name in (names[0], *ADDED))
    rank, alpha = spec.config["lora_rank"], spec.config.get("lora_alpha")
    numbers = all(isinstance(n, int | float) and n > 0 for n in (rank, alpha or rank))
    if not numbers or b.ndim != 2 or a.shape[-1:] != b.shape[:1] or (*a.shape[:-1], b.shape[1]) != kernel.shape:
        raise FormatError(f"layer {spec.name!r} ({spec.original}): lora of shapes {a.shape} and {b.shape} for a kernel {kernel.shape}.")
    whole = kernel + np.float32((alpha or rank) / rank) * (a @ b).astype(np.float32)
    return [whole, *(weights[name] for name in names[1:])]
