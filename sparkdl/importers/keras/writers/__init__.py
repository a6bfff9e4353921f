"""Writers of layers as layers of Keras 3, by family."""

from __future__ import annotations

import importlib

from sparkdl.importers.keras.writers.table import TABLE, Writer

_FAMILIES = ("activation", "products", "shape", "recurrent")


def writers() -> dict[str, Writer]:
    """Class of a layer -> what writes it, of all families."""
    for family in _FAMILIES:
        importlib.import_module(f"sparkdl.importers.keras.writers.{family}")
    return TABLE
