"""Descriptions that an older version stored still give the same objects.

``python tests/optim/test_stored.py`` adds what is new to the file; what stands there is never changed.
"""

import json
import sys
from pathlib import Path

import pytest

from sparkdl import optim

FILE = Path(__file__).parent / "stored" / "configs-1.json"
STORED = json.loads(FILE.read_text()) if FILE.exists() else []


def objects():
    """One object of every class whose description is plain JSON."""
    if __package__:
        from . import metriccases, rulecases, test_schedules, test_triggers
    else:
        sys.path.insert(0, str(Path(__file__).parents[1]))
        from optim import metriccases, rulecases, test_schedules, test_triggers

    cases = [*rulecases.CASES, *metriccases.CASES, *test_schedules.CASES]
    found = [c.make() for c in cases] + [row[0] for row in test_triggers.CASES]
    found += [optim.LBFGS(), optim.ReduceLROnPlateau(), optim.OneCycleMomentum(9)]
    found += [optim.ClipValue(1.0), optim.ClipNorm(1.0), optim.ClipLayerNorm(1.0)]
    found += [optim.L1(0.1), optim.L2(0.1), optim.L1L2(0.1, 0.2)]
    found += [optim.SGD(0.1, schedule=optim.StepLR(3), groups={"*.bias": optim.Adam(), "a": {"lr": 0.2}})]
    return [o for o in found if not isinstance(o, optim.Loss) and '"function"' not in json.dumps(o.config())]


@pytest.mark.parametrize("entry", STORED, ids=lambda e: e["repr"][:60])
def test_stored_descriptions_still_load(entry):
    assert repr(optim.from_config(entry["config"])) == entry["repr"]


def test_every_class_with_a_plain_description_is_stored():
    assert {type(o).__name__ for o in objects()} <= {e["config"]["type"] for e in STORED}


if __name__ == "__main__":
    kept = {e["repr"] for e in STORED}
    new = [{"repr": repr(o), "config": o.config()} for o in objects() if repr(o) not in kept]
    FILE.write_text(json.dumps(STORED + new, indent=1) + "\n")
    print(f"{len(new)} added, {len(STORED)} kept")
