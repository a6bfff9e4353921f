"""The tables of names elsewhere: what they promise exists, and has a row in the table of layers."""

import re
from pathlib import Path

import pytest

from sparkdl import nn
from tests.nn.cases import CASES

FILE = Path(__file__).parents[2] / "docs" / "names" / "layers.md"
LINES = [line.split("|")[1:-1] for line in FILE.read_text().splitlines() if line.startswith("|")]
ENTRIES = [[cell.strip() for cell in line] for line in LINES if set(line[0]) != {"-"} and "BigDL" not in line[0]]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry[0])
def test_names_stand_for_layers_with_a_row(entry):
    assert len(entry) == 4
    rows = {type(case.make()).__name__ for case in CASES.values()} | {"Input", "Graph", "Module", "Sequential"}
    here = [name for name in re.findall(r"`([A-Z]\w*)", entry[2])]
    assert here or entry[2] in ("not needed", "refused")
    assert here or entry[3]  # a reason
    for name in here:
        assert hasattr(nn, name)
        assert name in rows
