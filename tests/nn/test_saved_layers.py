"""One layer of every kind as an older version saved it: it still loads, and computes what it computed then.

``python tests/nn/test_saved_layers.py`` adds kinds that are new; what is there is never changed.
"""

import io
import json
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

if not __package__:
    sys.path.insert(0, str(Path(__file__).parents[2]))

from sparkdl import nn
from tests.nn.cases import CASES

FILE = Path(__file__).parent / "saved" / "layers-1.zip"


def kinds():
    """The first row of each class, by the class's name."""
    found = {}
    for case in CASES.values():
        found.setdefault(type(case.make()).__name__, case)
    return found


def stored():
    with zipfile.ZipFile(FILE) as file:
        return sorted({name.split("/")[0] for name in file.namelist()})


def arrays_of(file, name):
    with np.load(io.BytesIO(file.read(name)), allow_pickle=False) as arrays:
        return [arrays[f"arr_{i}"] for i in range(len(arrays.files))]


def outputs(layer, xs):
    made = layer.eval()(*xs)
    return list(made) if isinstance(made, list | tuple) else [made]


def test_every_kind_of_layer_is_stored():
    assert set(kinds()) - set(stored()) == set(), "run: python tests/nn/test_saved_layers.py"


@pytest.mark.parametrize("name", stored() if FILE.exists() else [])
def test_saved_layers_load_and_compute_the_same(name, tmp_path):
    with zipfile.ZipFile(FILE) as file:
        for member in file.namelist():
            if member.startswith(f"{name}/model/"):
                (tmp_path / member.rpartition("/")[2]).write_bytes(file.read(member))
        xs, wanted = arrays_of(file, f"{name}/inputs.npz"), arrays_of(file, f"{name}/outputs.npz")
    case = kinds()[name]
    layer = nn.load(tmp_path, layers=case.layers)
    for y, expected in zip(outputs(layer, xs), wanted, strict=True):
        np.testing.assert_allclose(y, expected, rtol=10 * case.tolerance, atol=10 * case.tolerance)


def packed(arrays):
    data = io.BytesIO()
    np.savez_compressed(data, *arrays)
    return data.getvalue()


def main():
    known = set(stored()) if FILE.exists() else set()
    added = 0
    with zipfile.ZipFile(FILE, "a", zipfile.ZIP_DEFLATED) as file:
        for name, case in sorted(kinds().items()):
            if name in known:
                continue
            layer, xs = case.layer().eval(), case.arrays(batch=min(2, case.shapes[0][0]))
            with tempfile.TemporaryDirectory() as folder:
                nn.save(layer, folder)
                for path in sorted(Path(folder).iterdir()):
                    file.writestr(f"{name}/model/{path.name}", path.read_bytes())
            file.writestr(f"{name}/inputs.npz", packed(xs))
            file.writestr(f"{name}/outputs.npz", packed(outputs(layer, xs)))
            added += 1
    print(json.dumps({"added": added, "kept": len(known), "bytes": FILE.stat().st_size}))


if __name__ == "__main__":
    main()
