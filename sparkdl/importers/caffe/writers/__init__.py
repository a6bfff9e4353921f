"""Writers of layers as layers of Caffe, by family."""

from __future__ import annotations

import importlib

from sparkdl.importers.caffe.writers.table import TABLE, Writer

_FAMILIES = ("activation", "windows", "products", "shape")


def writers() -> dict[str, Writer]:
    """Class of a layer -> what writes it, of all families."""
    for family in _FAMILIES:
        importlib.import_module(f"sparkdl.importers.caffe.writers.{family}")
    return TABLE
