"""Writers of layers as nodes of ONNX, by family."""

from __future__ import annotations

import importlib

from sparkdl.importers.onnx.writers.table import TABLE, Writer

_FAMILIES = ("activation", "windows", "products", "shape", "recurrent")


def writers() -> dict[str, Writer]:
    """Class of a layer -> what writes it, of all families."""
    for family in _FAMILIES:
        importlib.import_module(f"sparkdl.importers.onnx.writers.{family}")
    return TABLE
