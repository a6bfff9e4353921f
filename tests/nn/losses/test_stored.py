"""Descriptions of losses that an older version stored still give the same losses.

``python tests/nn/losses/test_stored.py`` adds what is new to the file; what stands there is never changed.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

if not __package__:
    sys.path.insert(0, str(Path(__file__).parents[3]))

from sparkdl import nn
from sparkdl.errors import FormatError
from tests.nn.losses.cases import CASES

FILE = Path(__file__).parent / "stored" / "losses-1.json"
STORED = json.loads(FILE.read_text()) if FILE.exists() else []


def losses():
    """One of each row."""
    return [case.make() for case in CASES]


@pytest.mark.parametrize("entry", STORED, ids=lambda entry: entry["repr"].split("\n")[0][:60])
def test_stored_descriptions_still_load(entry):
    assert repr(nn.loss_from_config(entry["config"])) == entry["repr"]


def test_every_loss_is_stored_and_comes_back_from_plain_json():
    assert {type(loss).__name__ for loss in losses()} <= {entry["config"]["type"] for entry in STORED}
    for loss in losses():
        assert repr(nn.loss_from_config(json.loads(json.dumps(nn.loss_config(loss))))) == repr(loss)


def test_what_json_cannot_hold_and_who_is_not_known_is_refused():
    odd = nn.L1Loss()
    odd.reduction = {1}
    with pytest.raises(FormatError, match="is a set, which JSON cannot hold"):
        nn.loss_config(odd)
    with pytest.raises(FormatError, match="no loss is called 'Mine'"):
        nn.loss_from_config({"type": "Mine"})

    class Mine(nn.L1Loss):
        pass

    assert type(nn.loss_from_config(nn.loss_config(Mine()), {"Mine": Mine})) is Mine


def test_a_loss_keeps_the_weights_of_its_nets():
    rng = np.random.default_rng(0)
    loss = nn.TransformerLoss(nn.MSELoss(), nn.Linear(3, 2), nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)))
    back = nn.loss_from_config(json.loads(json.dumps(nn.loss_config(loss))))
    y, target = rng.standard_normal((2, 5, 3)).astype(np.float32)
    assert back(y, target) == loss(y, target)
    with pytest.raises(FormatError, match="unknown class 'Own'"):
        told = nn.loss_config(loss)
        told["input_transform"]["module"]["model"]["class"] = "Own"
        nn.loss_from_config(told)


if __name__ == "__main__":
    kept = {entry["repr"] for entry in STORED}
    new = [{"repr": repr(loss), "config": nn.loss_config(loss)} for loss in losses() if repr(loss) not in kept]
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(STORED + new, indent=1) + "\n")
    print(f"{len(new)} added, {len(STORED)} kept")
