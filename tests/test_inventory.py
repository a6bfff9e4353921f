"""Every name of BigDL, Torch7 and their Keras-style layers stands in docs/names: for an object of this library that has
a row in the tables of tests, or for a refusal with its reason.
"""

import re
from pathlib import Path

import pytest

from sparkdl import nn, optim
from tests import inventory
from tests.nn.cases import CASES as LAYERS
from tests.nn.losses.cases import CASES as LOSSES
from tests.optim import metriccases, rulecases, test_schedules, test_triggers

FOLDER = Path(__file__).parents[1] / "docs" / "names"
CASES = *LAYERS.values(), *LOSSES, *rulecases.CASES, *metriccases.CASES, *test_schedules.CASES
MADE = [case.make() for case in CASES]
MADE += [row[0] for row in test_triggers.CASES]
TESTED = {type(thing).__name__ for thing in MADE}
# what has tests of its own: not a layer, loss, ... or not like the others of its kind
TESTED |= {"Input", "Module", "beam_search"}  # tests/nn
TESTED |= {"LBFGS", "ReduceLROnPlateau", "L1", "L2", "L1L2", "ClipValue", "ClipNorm", "ClipLayerNorm", "LambdaLR"}
TESTED |= set(nn.init.__all__)  # tests/nn/init holds that each has one


def entries():
    for path in sorted(FOLDER.glob("*.md")):
        for line in path.read_text().splitlines():
            if line.startswith("|") and "---" not in line:
                cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
                if cells[-2] != "here":
                    yield path.stem, cells[:-2], cells[-2], cells[-1]


ENTRIES = list(entries())
KNOWN = {name for _, names, _, _ in ENTRIES for cell in names for name in re.findall(r"[A-Za-z]\w*", cell)}
FIRST = {name for _, names, _, _ in ENTRIES for name in re.findall(r"[A-Za-z]\w*", names[0])}


@pytest.mark.parametrize("kind", ["LAYERS", "OPERATIONS", "GRAPHS", "CRITERIONS", "TRAINING", "KERAS", "TORCH"])
def test_every_name_stands_in_a_table(kind):
    known = KNOWN if kind == "KERAS" else FIRST  # the others are BigDL's own words, which have the first column
    assert [name for name in getattr(inventory, kind) if name not in known] == []


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry[0]}: {', '.join(filter(None, entry[1]))}"[:60])
def test_a_name_stands_for_tested_objects_or_for_a_reason(entry):
    _, _, here, why = entry
    if here in ("refused", "not needed"):
        assert why
        return
    named = re.findall(r"`(?:optim\.|nn\.init\.)?([A-Za-z]\w*)", here)
    objects = [name for name in named if any(hasattr(place, name) for place in (nn, optim, nn.init))]
    assert objects, "a row names an object"
    assert [name for name in named if name[0].isupper() and name not in objects] == []
    assert [name for name in objects if name not in TESTED] == []
