"""Initial weights as Caffe's fillers draw them, for nets loaded without weights."""

from __future__ import annotations

import numpy as np

from sparkdl.errors import UnsupportedError
from sparkdl.importers.caffe.message import Message
from sparkdl.nn import rng


def fill(filler: Message, shape: tuple[int, ...]) -> np.ndarray:
    """An array of ``shape`` (Caffe's), drawn from the library's generator (``nn.manual_seed``)."""
    kind, draw = filler["type"], rng.generator()
    size = int(np.prod(shape))
    if kind == "constant":
        values = np.full(shape, filler["value"])
    elif kind == "uniform":
        values = draw.uniform(filler["min"], filler["max"], shape)
    elif kind == "gaussian":
        values = draw.normal(filler["mean"], filler["std"], shape)
        if filler["sparse"] >= 0 and len(shape) > 1:
            values *= draw.random(shape) < filler["sparse"] / shape[0]
    elif kind in ("xavier", "msra"):
        fan_in, fan_out = size / max(shape[0], 1), size / max(shape[1] if len(shape) > 1 else 1, 1)
        norm = {"FAN_IN": fan_in, "FAN_OUT": fan_out, "AVERAGE": (fan_in + fan_out) / 2}[filler["variance_norm"]]
        norm = max(norm, 1)
        bound = np.sqrt(3 / norm)
        values = draw.uniform(-bound, bound, shape) if kind == "xavier" else draw.normal(0, np.sqrt(2 / norm), shape)
    elif kind == "positive_unitball":
        values = draw.random(shape)
        values /= values.sum(axis=tuple(range(1, len(shape))), keepdims=True)
    elif kind == "bilinear":
        values = np.broadcast_to(_hat(shape[-2])[:, None] * _hat(shape[-1]), shape)
    else:
        raise UnsupportedError(f"weight filler {kind!r} is unknown; give the net its weights, or change the filler.")
    return values.astype(np.float32)


def _hat(width: int) -> np.ndarray:
    factor = (width + 1) // 2
    centre = (2 * factor - 1 - factor % 2) / (2 * factor)
    return 1 - np.abs(np.arange(width) / factor - centre)
