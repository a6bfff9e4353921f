"""Saved models: plain files, whole or refused, no code in them."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from sparkdl import nn
from sparkdl.errors import FormatError
from tests.nn.nets import Scaled

X = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)


class Net(nn.Module):
    def __init__(self, width=5):
        self.width = width
        self.first, self.norm = nn.Linear(4, width), nn.BatchNorm1d(width)
        self.body = nn.Sequential(nn.Tanh(), nn.Linear(width, width))
        self.body.append(self.first)

    def forward(self, x):
        return self.body[1](self.body[0](self.norm(self.first(x)))) + self.first(x)


@pytest.fixture
def saved(tmp_path):
    model = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), out=nn.Linear(3, 2))
    model.save(tmp_path / "m")
    return model, tmp_path / "m"


def test_round_trip_of_containers_shared_modules_modes_and_frozen_weights(tmp_path):
    net = Net(6)
    net(X)  # moves the running statistics
    net.freeze("norm").eval()
    net.save(tmp_path)
    other = nn.load(tmp_path, layers={"Net": Net})
    assert np.array_equal(other(X), net(X))
    assert other.width == 6
    assert other.body[2] is other.first
    assert not other.training
    assert [p.trainable for p in other.parameters()] == [p.trainable for p in net.parameters()]
    assert other.norm.num_batches_tracked == 1


def test_round_trip_of_graphs_and_tied_parameters(tmp_path):
    x, y = nn.Input((4,), "x"), nn.Input(name="y")
    one, two = nn.Linear(4, 4), nn.Linear(4, 4)
    two.weight = one.weight
    graph = nn.Graph([x, y], [one(x) + two(y), one(x - y)])
    graph.save(tmp_path)
    other = nn.load(tmp_path)
    for a, b in zip(other(X, X + 1), graph(X, X + 1), strict=True):
        assert np.array_equal(a, b)
    assert len(list(other.parameters())) == 3
    assert other.input_names == ["x", "y"]


def test_float64_and_replaced_children(tmp_path):
    net = Net().double()
    net.replace("body.0", nn.ReLU())
    net.norm = nn.Identity()
    net.save(tmp_path)
    other = nn.load(tmp_path, layers={"Net": Net})
    assert other.dtype == np.float64
    assert isinstance(other.body[0], nn.ReLU)
    assert np.array_equal(other(X), net(X))


def test_saving_again_replaces_and_leaves_nothing_behind(saved):
    model, path = saved
    model[0].weight.data[...] = 0
    model.save(path)
    assert len(os.listdir(path)) == 2
    assert not nn.load(path)[0].weight.value.any()


def test_arrays_are_readable_without_the_library_and_have_pytorchs_shapes(saved):
    model, path = saved
    described = json.loads((path / "model.json").read_text())
    with np.load(path / described["arrays"]["file"], allow_pickle=False) as arrays:
        assert arrays["0.weight"].shape == (3, 4)
        assert np.array_equal(arrays["out.bias"], model["out"].bias.value)


def test_unknown_classes_are_asked_for_never_imported(tmp_path):
    nn.Sequential(Scaled(4)).save(tmp_path)
    with pytest.raises(FormatError, match=r"unknown class 'Scaled'.*layers=\{'Scaled': Scaled\}"):
        nn.load(tmp_path)
    assert np.array_equal(nn.load(tmp_path, layers={"Scaled": Scaled})(X), X * np.float32([1, 2, 3, 4]))
    text = (tmp_path / "model.json").read_text()
    for name in ("os.system", "builtins.eval", "Module.__init__", "load", "plan", "Parameter"):
        (tmp_path / "model.json").write_text(text.replace('"Scaled"', json.dumps(name)))
        with pytest.raises(FormatError, match="unknown class"):
            nn.load(tmp_path)


def test_what_no_file_can_hold_is_refused_when_saving(tmp_path):
    class Odd(nn.Layer):
        def __init__(self, f):
            self.f = f

    with pytest.raises(FormatError, match="Odd: argument 'f' is a function.*config"):
        nn.save(Odd(lambda x: x), tmp_path / "odd")
    assert not (tmp_path / "odd").exists()


def cut(data):
    return data[: len(data) // 2]


def flip(data):
    return data[:100] + bytes([data[100] ^ 1]) + data[101:]


@pytest.mark.parametrize("damage", [cut, flip, lambda data: b"", None], ids=["cut", "flipped", "empty", "missing"])
@pytest.mark.parametrize("which", ["model.json", "arrays"])
def test_damaged_files_give_one_error(saved, which, damage):
    _, path = saved
    file = path / "model.json" if which == "model.json" else next(path.glob("*.npz"))
    if damage is None:
        file.unlink()
    elif damage is flip and which == "model.json":
        file.write_bytes(file.read_bytes().replace(b"Linear", b"Lineer"))
    else:
        file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(FormatError) as caught:
        nn.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(format="other"),
        lambda d: d.update(version=99),
        lambda d: d.pop("model"),
        lambda d: d["arrays"].update(file="../weights.npz"),
        lambda d: d["model"].update(children=[1]),
        lambda d: d["model"]["children"]["0"].update(config={"in_features": "x"}),
        lambda d: d["model"]["children"]["0"].update(config={"in_features": 7, "out_features": 3}),
        lambda d: d["model"]["children"]["0"].update(config={"surprise": 7}),
        lambda d: d["model"]["children"].update({"1": {"same": "nowhere"}}),
        lambda d: d.update(dtype="float16"),
        lambda d: d.update(ties={"0.weight": "9.weight"}),
    ],
)
def test_foreign_and_forged_descriptions_give_one_error(saved, change):
    _, path = saved
    described = json.loads((path / "model.json").read_text())
    change(described)
    (path / "model.json").write_text(json.dumps(described))
    with pytest.raises(FormatError) as caught:
        nn.load(path)
    assert str(path) in str(caught.value)


def test_pickled_arrays_are_not_read(saved):
    import hashlib

    _, path = saved
    described = json.loads((path / "model.json").read_text())
    np.savez(path / "weights-x.npz", **{"0.weight": np.array([print], object)})
    data = (path / "weights-x.npz").read_bytes()
    described["arrays"] = {"file": "weights-x.npz", "sha256": hashlib.sha256(data).hexdigest()}
    (path / "model.json").write_text(json.dumps(described))
    with pytest.raises(FormatError, match="not a file of arrays"):
        nn.load(path)


def test_a_failed_save_leaves_the_old_model(saved, monkeypatch):
    model, path = saved
    kept = model[0].weight.value.copy()
    model[0].weight.data[...] = 7
    real = os.replace

    def fail(source, target):
        if str(target).endswith("model.json"):
            raise OSError("disk full")
        real(source, target)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        model.save(path)
    monkeypatch.undo()
    assert np.array_equal(nn.load(path)[0].weight.value, kept)
    assert not list(path.glob("*.part"))


def test_models_saved_by_earlier_versions_load_and_compute_the_same():
    folder = Path(__file__).parent / "saved"
    found = sorted(folder.glob("version*_expected.npz"))
    assert found
    for path in found:
        model = nn.load(folder / path.name.removesuffix("_expected.npz"))
        with np.load(path) as expected:
            a, b = model(expected["x"])
            np.testing.assert_allclose(a, expected["a"], rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(b, expected["b"], rtol=1e-5, atol=1e-6)
        assert not model.training
        frozen = [name for name, p in model.named_parameters() if not p.trainable]
        assert frozen == ["conv2d.weight", "conv2d.bias"]
