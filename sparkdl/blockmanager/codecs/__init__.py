"""How numbers are written into blocks."""

from __future__ import annotations

import importlib

from sparkdl.blockmanager.codecs.base import Codec

_TABLE = {"none": "none:NoCodec", "fp16": "fp16:Half", "bf16": "bf16:BFloat16"}


def make(codec: str | Codec) -> Codec:
    """A codec by name; a codec itself is returned as it is."""
    if isinstance(codec, Codec):
        return codec
    if codec not in _TABLE:
        raise ValueError(f"codec must be one of {', '.join(_TABLE)} or a Codec, got {codec!r}.")
    module, name = _TABLE[codec].split(":")
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)()
