"""The table of layers, gathered from the files cases_*.py: one row feeds every check in test_layers.py."""

import importlib
from pathlib import Path

TABLES = [importlib.import_module(f"tests.nn.{path.stem}") for path in sorted(Path(__file__).parent.glob("cases_*.py"))]
CASES = {name: case for table in TABLES for name, case in table.CASES.items()}
assert len(CASES) == sum(len(table.CASES) for table in TABLES), "two rows have one name"
