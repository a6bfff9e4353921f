"""Descriptions of losses that an older version stored still give the same losses.

``python tests/nn/losses/test_stored.py`` adds what is new to the file; what stands there is never changed.
"""

import json
import sys
from pathlib import Path

import pytest

if not __package__:
    sys.path.insert(0, str(Path(__file__).parents[3]))

from sparkdl import nn
from sparkdl.errors import FormatError
from tests.nn.losses.cases import CASES

FILE = Path(__file__).parent / "stored" / "losses-1.json"
STORED = json.loads(FILE.read_text()) if FILE.exists() else []


def losses():
    """One of each row, but for those that hold nets."""
    made = [case.make() for case in CASES]
    return [loss for loss in made if not isinstance(loss, nn.TransformerLoss)]


@pytest.mark.parametrize("entry", STORED, ids=lambda entry: entry["repr"].split("\n")[0][:60])
def test_stored_descriptions_still_load(entry):
    assert repr(nn.loss_from_config(entry["config"])) == entry["repr"]


def test_every_loss_is_stored_and_comes_back_from_plain_json():
    assert {type(loss).__name__ for loss in losses()} <= {entry["config"]["type"] for entry in STORED}
    for loss in losses():
        assert repr(nn.loss_from_config(json.loads(json.dumps(nn.loss_config(loss))))) == repr(loss)


def test_what_json_cannot_hold_and_who_is_not_known_is_refused():
    with pytest.raises(FormatError, match="is a Linear, which JSON cannot hold"):
        nn.loss_config(nn.TransformerLoss(nn.MSELoss(), nn.Linear(2, 2)))
    with pytest.raises(FormatError, match="no loss is called 'Mine'"):
        nn.loss_from_config({"type": "Mine"})

    class Mine(nn.L1Loss):
        pass

    assert type(nn.loss_from_config(nn.loss_config(Mine()), {"Mine": Mine})) is Mine


if __name__ == "__main__":
    kept = {entry["repr"] for entry in STORED}
    new = [{"repr": repr(loss), "config": nn.loss_config(loss)} for loss in losses() if repr(loss) not in kept]
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(STORED + new, indent=1) + "\n")
    print(f"{len(new)} added, {len(STORED)} kept")
