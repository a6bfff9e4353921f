"""PyTorch's weights: read without running a pickle, matched by name or order, checked before anything is copied."""

from __future__ import annotations

import pickle
import tarfile
import zipfile

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


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "module._orig_mod."])
def test_prefixes_of_wrappers_and_checkpoints_of_one_state(tmp_path, prefix):
    net = theirs()
    state = {"epoch": 3, "ema_weights": {prefix + k: v for k, v in net.state_dict().items()}, "optimizer": {"state": {}, "lr": 0.1}}
    model = load_torch(save(tmp_path / "w.pt", state, "zip"), ours())
    np.testing.assert_array_equal(model["3"].weight.value, net[3].weight.detach().numpy())


def test_several_states_are_not_guessed(tmp_path):
    state = {"generator": theirs().state_dict(), "critic": theirs().state_dict()}
    with pytest.raises(FormatError, match=r"several state dicts: 'generator', 'critic'; .*key='generator'"):
        read_state(save(tmp_path / "w.pt", state, "zip"))


@pytest.mark.parametrize("kind", ["zip", "chain"])
def test_a_key_chooses_a_state_dict(tmp_path, kind):
    net = theirs()
    other = {name: 2 * array for name, array in net.state_dict().items()}
    path = save(tmp_path / "w.pt", {"epoch": 3, "model": net.state_dict(), "ema": {"decay": 0.9, "shadow": other}}, kind)
    scale = {None: 1, "model": 1, "ema.shadow": 2}
    for key, factor in scale.items():
        model = load_torch(path, ours(), key=key)
        np.testing.assert_array_equal(model["3"].weight.value, factor * net[3].weight.detach().numpy())
    with pytest.raises(FormatError, match="no state dict under 'emma'; there are 'model', 'ema.shadow'"):
        load_torch(path, ours(), key="emma")
    with pytest.raises(ValueError, match="key is the name of a state dict"):
        load_torch(path, ours(), key=3)
    with pytest.raises(FormatError, match="under 'model'; there is none"):
        load_torch(save(tmp_path / "plain.pt", net.state_dict(), kind), ours(), key="model")


def test_tensors_with_attributes_and_shared_storages(tmp_path):
    base = torch.arange(12.0)
    marked = torch.nn.Parameter(base[4:].reshape(2, 4).t())
    marked.mine = "x"
    read = read_state(save(tmp_path / "w.pt", {"a": base, "b": marked, "c": base[::3]}, "zip"))
    np.testing.assert_array_equal(read["b"], base[4:].reshape(2, 4).t().numpy())
    np.testing.assert_array_equal(read["c"], base[::3].numpy())


def test_tar_files_are_refused(tmp_path):
    with tarfile.open(tmp_path / "old.pt", "w", format=tarfile.USTAR_FORMAT) as tar:
        tar.add(__file__, "pickle")
    with pytest.raises(UnsupportedError, match="before 0.2"):
        read_state(tmp_path / "old.pt")


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


FLOATS = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0aX\x03\0\0\0cpuJ\x04\0\0\0tQ"


def chain(path, pickled, keys=b"]X\x01\0\0\0aa."):
    """A file of the old form, around a pickle."""
    magic = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps({}, 2)
    path.write_bytes(magic + b"\x80\x02" + pickled + b".\x80\x02" + keys + (4).to_bytes(8, "little") + bytes(32))
    return path


def tensor(storage):
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\0K\x04\x85K\x01\x85\x89NtR"


def test_pickles_that_would_take_for_ever(tmp_path):
    """Tuples in tuples by the memo have 2**60 leaves, which nothing may hash or write out; nor are dicts copied at will."""
    deep = b"K\0\x85q\0" + b"0h\0h\0\x86q\0" * 60
    pairs = b"](" + b"X\x01\0\0\0aK\x01\x86" * 1000 + b"eq\x010"
    for pickled in (
        b"}" + deep + b"K\x01s",
        b"}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n(" + FLOATS + b"K\0" + deep + b"K\x01\x85\x89NtRs",
        deep + b"h\0\x93",
        pairs + b"ccollections\nOrderedDict\nh\x01\x85R0" * 6000 + b"}",
        b"}X\x01\0\0\0w" + tensor(b"(X\x07\0\0\0storagectorch\nFloatStorage\n" + deep + b"X\x03\0\0\0cpuJ\x04\0\0\0tQ") + b"s",
    ):
        with pytest.raises(SparkDLError):
            read_state(chain(tmp_path / "w.pt", pickled))


def test_one_storage_as_two_types(tmp_path):
    """It is never read as the wider one, which would reach beyond its end."""
    both = b"}(X\x01\0\0\0w" + tensor(FLOATS.replace(b"Float", b"Double")) + b"X\x01\0\0\0v" + tensor(FLOATS) + b"u"
    with pytest.raises(FormatError, match="several types"):
        read_state(chain(tmp_path / "w.pt", both))
    assert read_state(chain(tmp_path / "w.pt", b"}X\x01\0\0\0w" + tensor(FLOATS) + b"s"))["w"].shape == (4,)


def test_an_archive_whose_storage_grows(tmp_path):
    """8 MB of zeros in 8 kB; but one storage may be shown by many tensors."""
    path = tmp_path / "w.pt"
    torch.save({str(i): base for i, base in enumerate([torch.zeros(1000)] * 200)}, path)
    assert len(read_state(path)) == 200
    torch.save({"w": torch.zeros(2 << 20)}, tmp_path / "plain.pt")
    with zipfile.ZipFile(tmp_path / "plain.pt") as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    with pytest.raises(FormatError, match="far larger than the file"):
        read_state(path)


@pytest.mark.filterwarnings("ignore:Couldn't retrieve source code")
@pytest.mark.parametrize("kind", ["zip", "chain"])
def test_whole_modules_are_refused(tmp_path, kind):
    words = "holds a whole torch.nn.modules.container.Sequential, whose code is not in the file.*model.state_dict"
    with pytest.raises(UnsupportedError, match=words):
        read_state(save(tmp_path / "whole.pt", theirs(), kind))
    path = save(tmp_path / "checkpoint.pt", {"epoch": 3, "model": theirs(), "optimizer": {"lr": 0.1}}, kind)
    for key in (None, "model"):
        with pytest.raises(UnsupportedError, match="holds under 'model' a whole torch.nn.modules.container.Sequential"):
            read_state(path, key)


def test_torch7_files_are_refused(tmp_path):
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
