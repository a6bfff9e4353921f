"""PyTorch's weights: read without running a pickle, matched by name or order, checked before anything is copied."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from sparkdl import nn
from sparkdl.errors import FormatError, ShapeError, SparkDLError, UnsupportedError
from sparkdl.importers import load_torch
from sparkdl.importers.torch.load import read_state

torch = pytest.importorskip("torch")


def theirs():
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3), torch.nn.Flatten(), torch.nn.Linear(48, 4)
    )
    net[1].running_mean += torch.arange(3)
    return net.eval()


def ours():
    return nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(48, 4)).eval()


def save(path, state, kind):
    if kind == "safetensors":
        pytest.importorskip("safetensors.torch").save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=kind == "zip")
    return path


@pytest.mark.parametrize("kind", ["safetensors", "zip", "chain"])
@pytest.mark.parametrize("match", ["name", "order"])
def test_outputs_equal_pytorchs(tmp_path, kind, match):
    net, model = theirs(), ours()
    if kind == "safetensors" and match == "order":
        pytest.skip("safetensors files are sorted by name")
    load_torch(save(tmp_path / "weights.pt", net.state_dict(), kind), model, match)
    x = np.random.default_rng(0).standard_normal((2, 2, 6, 6)).astype(np.float32)
    np.testing.assert_allclose(model(x), net(torch.from_numpy(x)).detach().numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["safetensors", "zip", "chain"])
def test_all_types_and_strides(tmp_path, kind):
    base = torch.arange(24.0).reshape(4, 6)
    state = {f"{t}": base.to(t) for t in (torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint8)}
    if kind != "safetensors":
        state |= {"turned": base.T, "part": base[1:3, ::2], "none": base[:0]}
    read = read_state(save(tmp_path / "t.pt", state, kind))
    for name, tensor in state.items():
        np.testing.assert_array_equal(read[name].astype(np.float64), tensor.double().numpy())


def test_prefix_wrapping_and_parameters(tmp_path):
    net = theirs()
    state = {
        "epoch": 3,
        "state_dict": {
            f"module.{k}": torch.nn.Parameter(v) if v.is_floating_point() else v for k, v in net.state_dict().items()
        },
    }
    model = load_torch(save(tmp_path / "w.pt", state, "zip"), ours())
    np.testing.assert_array_equal(model["3"].weight.value, net[3].weight.detach().numpy())


def test_missing_misshaped_and_surplus_arrays(tmp_path):
    state = dict(theirs().state_dict())
    weight = state.pop("3.weight")
    with pytest.raises(FormatError, match="lacks 3.weight"):
        load_torch(save(tmp_path / "a.pt", state, "zip"), ours())
    model = ours()
    before = model.state_dict()
    with pytest.raises(ShapeError, match=r"3.weight: \(4, 5\) in the file, \(4, 48\) in the model"):
        load_torch(save(tmp_path / "b.pt", {**state, "3.weight": weight[:, :5]}, "zip"), model)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    with pytest.warns(UserWarning, match="1 arrays that the model does not have: extra"):
        load_torch(save(tmp_path / "c.pt", {**state, "3.weight": weight, "extra": weight}, "zip"), model)


class Trap:
    def __reduce__(self):
        return (open, ("/this/must/not/be/opened", "w"))


def test_no_code_of_a_pickle_runs(tmp_path):
    path = tmp_path / "trap.pt"
    path.write_bytes(pickle.dumps({"w": Trap()}))
    with pytest.raises(SparkDLError):
        read_state(path)
    torch.save({"w": torch.ones(2), "trap": Trap()}, path)
    assert list(read_state(path)) == ["w"]


def test_whole_modules_and_torch7_are_refused(tmp_path):
    path = tmp_path / "whole.pt"
    torch.save(theirs(), path)
    with pytest.raises(UnsupportedError, match="state_dict"):
        read_state(path)
    (tmp_path / "old.t7").write_bytes(b"\x04\0\0\0")
    with pytest.raises(UnsupportedError, match="load_lua"):
        read_state(tmp_path / "old.t7")


@pytest.mark.parametrize("kind", ["safetensors", "zip", "chain"])
def test_truncated_files_give_one_clear_error(tmp_path, kind):
    whole = save(tmp_path / "w.pt", dict(theirs().state_dict()), kind).read_bytes()
    for part in (0, 1, 7, 9, 50, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut.pt").write_bytes(whole[:part])
        with pytest.raises(SparkDLError):
            read_state(tmp_path / "cut.pt")
