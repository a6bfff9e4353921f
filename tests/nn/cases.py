"""The table of layers, gathered from the files cases_*.py: one row feeds every check in test_layers.py."""

import importlib
from pathlib import Path

from tests.nn.torch_functions import FUNCTIONS

TABLES = [importlib.import_module(f"tests.nn.{path.stem}") for path in sorted(Path(__file__).parent.glob("cases_*.py"))]
CASES = {name: case for table in TABLES for name, case in table.CASES.items()}
assert len(CASES) == sum(len(table.CASES) for table in TABLES), "two rows have one name"
for name, function in FUNCTIONS.items():
    assert CASES[name].torch is None, name
    CASES[name].torch = lambda torch, function=function: function
