"""Files that are wrong, old, odd or hostile: one clear error each, before weights are touched, in bounded time."""

from __future__ import annotations

import io
import json
import time
import warnings
import zipfile

import numpy as np
import pytest

from sparkdl import nn
from sparkdl.errors import FormatError, SparkDLError, UnsupportedError
from sparkdl.importers import fuzz, load_caffe, load_keras, register_caffe, register_keras
from sparkdl.importers.caffe import prototxt, wire
from sparkdl.importers.caffe.message import Message
from sparkdl.importers.fuzz_seeds import write_seeds
from sparkdl.importers.keras.archive import read_archive
from sparkdl.importers.limits import limits

CONV = 'layer {{ name: "{0}" type: "Convolution" bottom: "{1}" top: "{0}" convolution_param {{ num_output: 2 kernel_size: 1 }} }}\n'
HEAD = 'input: "data" input_shape { dim: 1 dim: 3 dim: 4 dim: 4 }\n'


def write(folder, text, name="net.prototxt"):
    path = folder / name
    path.write_text(text) if isinstance(text, str) else path.write_bytes(text)
    return path


def caffemodel(folder, layers, name="net.caffemodel"):
    """A weight file of ``{layer: [arrays]}``; 4-D forms of old files with the key ``old``."""
    made = []
    for layer, arrays in layers.items():
        blobs = []
        for a in arrays:
            four = [1] * (4 - a.ndim) + list(a.shape)
            blobs.append(Message("BlobProto", data=[a.reshape(-1)], **dict(zip(("num", "channels", "height", "width"), four, strict=True))))
        made.append(Message("LayerParameter", name=layer, type="Convolution", blobs=blobs))
    path = folder / name
    path.write_bytes(wire.write(Message("NetParameter", layer=made)))
    return path


# -- Caffe -------------------------------------------------------------------------------------------------------------
def test_all_unsupported_caffe_layers_are_listed_before_weights_are_read(tmp_path):
    text = HEAD + 'layer { name: "a" type: "Magic" bottom: "data" top: "a" } layer { name: "b" type: "Python" bottom: "a" top: "b" }'
    text += ' layer { name: "c" type: "Concat" bottom: "b" top: "c" concat_param { axis: 0 } }'
    with pytest.raises(UnsupportedError) as error:
        load_caffe(write(tmp_path, text), tmp_path / "there-is-no-such.caffemodel")
    for words in ("'a' (Magic)", "'b' (Python)", "'c' (Concat)", "register_caffe"):
        assert words in str(error.value)


def test_a_registered_converter_takes_the_place_of_an_unknown_layer(tmp_path):
    from sparkdl import nn
    from sparkdl.importers.caffe.table import table

    register_caffe("Twice", lambda c: c.apply(nn.MulConstant(2.0), c.x))
    try:
        model = load_caffe(write(tmp_path, HEAD + 'layer { name: "t" type: "Twice" bottom: "data" top: "t" }'))
        x = np.ones((1, 3, 4, 4), np.float32)
        np.testing.assert_array_equal(model(x), 2 * x)
    finally:
        del table()["Twice"]


def test_missing_misshaped_surplus_and_old_weights(tmp_path):
    net = write(tmp_path, HEAD + CONV.format("c", "data"))
    weight, bias = np.ones((2, 3, 1, 1), np.float32), np.ones(2, np.float32)
    with pytest.raises(FormatError, match=r"'c' \(Convolution\): weight 0 of shape \(2, 3, 1, 1\) is missing"):
        load_caffe(net, caffemodel(tmp_path, {"other": [weight]}))
    with pytest.raises(FormatError, match=r"weight 0 has shape \(2, 4, 1, 1\) in the file, the net wants \(2, 3, 1, 1\)"):
        load_caffe(net, caffemodel(tmp_path, {"c": [np.ones((2, 4, 1, 1), np.float32), bias]}))
    with pytest.warns(UserWarning, match="weights of 1 layers that the net does not have: other"):
        model = load_caffe(net, caffemodel(tmp_path, {"c": [weight, bias], "other": [weight]}))
    np.testing.assert_array_equal(model["c"].bias.value, bias)  # 1x1x1x2 in the file


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "no layers"),
        ('layer { name: "a" ', "expected a field name"),
        ("layer { name: 3.4.5 }", "cannot read"),
        ("layer { " * 500, "beyond the limit"),
        (HEAD + CONV.format("a", "nowhere"), "'nowhere' is made by no layer"),
        (HEAD + CONV.format("a", "b") + CONV.format("b", "a"), "'b' is made by no layer"),
        (HEAD + CONV.format("a", "data").replace("num_output: 2", "num_output: 99999999999"), "beyond the limit"),
        (HEAD + CONV.format("a", "data").replace("kernel_size: 1", "kernel_size: 9"), "'a'"),
        (HEAD + CONV.format("a", "data").replace("num_output: 2", "num_output: 2 group: 2"), "groups do not divide"),
        (
            'input: "data" input_dim: 1 input_dim: 0 input_dim: 4 input_dim: 5 '
            'layer { name: "f" type: "InnerProduct" bottom: "data" top: "f" inner_product_param { num_output: 3 } }', "'f'",
        ),
        ('input: "data" input_shape { dim: 1 dim: 99999999999999 dim: 9 dim: 9 } ' + CONV.format("a", "data"), "beyond the limit|too large"),
    ],
)
def test_bad_prototxts(tmp_path, text, words):
    with pytest.raises(FormatError, match=words):
        load_caffe(write(tmp_path, text))


def test_a_truncated_caffemodel(tmp_path):
    net = write(tmp_path, HEAD + CONV.format("c", "data"))
    whole = caffemodel(tmp_path, {"c": [np.ones((2, 3, 1, 1), np.float32), np.ones(2, np.float32)]}).read_bytes()
    for part in range(1, len(whole)):
        with pytest.raises(SparkDLError):
            load_caffe(net, write(tmp_path, whole[:part], "cut.caffemodel"))


def test_text_and_binary_nets_are_the_same(tmp_path):
    net = prototxt.parse(HEAD + CONV.format("c", "data"), "NetParameter")
    text, binary = write(tmp_path, prototxt.write(net)), write(tmp_path, wire.write(net), "net.bin")
    assert load_caffe(text).output_names == load_caffe(binary).output_names == ["c"]


def test_phases_and_rules(tmp_path):
    rules = 'layer { name: "r" type: "ReLU" bottom: "data" top: "r" include { phase: TRAIN } }\n'
    rules += 'layer { name: "s" type: "Sigmoid" bottom: "data" top: "s" exclude { phase: TRAIN } }\n'
    rules += 'layer { name: "t" type: "TanH" bottom: "data" top: "t" include { stage: "deploy" not_stage: "x" } include { min_level: 5 } }'
    path = write(tmp_path, HEAD + rules)
    assert load_caffe(path).output_names == ["s"]
    assert load_caffe(path, phase="TRAIN").output_names == ["r"]
    assert load_caffe(path, stages=["deploy"]).output_names == ["s", "t"]
    assert load_caffe(path, stages=["deploy", "x"]).output_names == ["s"]
    assert load_caffe(path, level=5).output_names == ["s", "t"]


def test_shared_parameters_are_one(tmp_path):
    both = "".join(CONV.format(n, "data").replace("top:", 'param { name: "w" } param { name: "b" } top:') for n in "ab")
    model = load_caffe(write(tmp_path, HEAD + both))
    assert model["a"].weight is model["b"].weight and len(list(model.parameters())) == 2


# -- Keras -------------------------------------------------------------------------------------------------------------
def sequential(*layers, version="2.2.4"):
    first = {"class_name": "Dense", "config": {"name": "d", "units": 2, "batch_input_shape": [None, 3], "activation": "linear"}}
    listed = [first, *({"class_name": kind, "config": {"name": f"l{i}", **config}} for i, (kind, config) in enumerate(layers))]
    return json.dumps({"class_name": "Sequential", "config": {"name": "s", "layers": listed}, "keras_version": version})


def test_all_unsupported_keras_layers_are_listed(tmp_path):
    text = sequential(("Lambda", {"function": ["code"]}), ("MyLayer", {}), ("Dense", {"units": 2, "activation": "my_function"}), ("StringLookup", {}))
    with pytest.raises(UnsupportedError) as error:
        load_keras(write(tmp_path, text, "model.json"))
    for words in ("'l0' (Lambda): holds Python code", "'l1' (MyLayer)", "'my_function'", "'l3' (StringLookup)", "register_keras"):
        assert words in str(error.value)


def test_a_registered_keras_layer(tmp_path):
    from sparkdl import nn
    from sparkdl.importers.keras.table import table

    register_keras("Scaled", lambda c: c.each(nn.MulConstant(float(c.spec["by"]))))
    try:
        model = load_keras(write(tmp_path, sequential(("Scaled", {"by": 3})), "model.json"))
        plain = load_keras(write(tmp_path, sequential(), "plain.json"))
        plain["d"].weight.value = model["d"].weight.value
        x = np.ones((2, 3), np.float32)
        np.testing.assert_allclose(model(x), 3 * plain(x), rtol=1e-6)
    finally:
        del table()["Scaled"]


@pytest.mark.parametrize(
    "text, words",
    [
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON|too deeply"),
        ('{"class_name": "Sequential", "config": {"layers": []}}', "no layers"),
        ('{"class_name": "Dense", "config": {}}', "not a model"),
        (sequential(("Dense", {"units": -1})), "units is -1"),
        (sequential(("Dense", {"units": 1 << 40})), "units is|beyond the limit"),
        (sequential(("Conv2D", {"filters": 1, "kernel_size": [3, 3]})), "'l0'"),
        (sequential(("Reshape", {"target_shape": [7]})), "'l0'"),
        ("hello", "neither HDF5"),
    ],
)
def test_bad_keras_descriptions(tmp_path, text, words):
    with pytest.raises(FormatError, match=words):
        load_keras(write(tmp_path, text, "model.json"))


def test_a_cyclic_graph(tmp_path):
    def layer(name, kind, inbound, **config):
        return {"class_name": kind, "name": name, "config": {"name": name, **config}, "inbound_nodes": inbound}

    layers = [
        layer("x", "InputLayer", [], batch_input_shape=[None, 3]),
        layer("a", "Add", [[["x", 0, 0, {}], ["b", 0, 0, {}]]]),
        layer("b", "Activation", [[["a", 0, 0, {}]]], activation="relu"),
    ]
    config = {"name": "m", "layers": layers, "input_layers": [["x", 0, 0]], "output_layers": [["b", 0, 0]]}
    with pytest.raises(FormatError, match="cycle"):
        load_keras(write(tmp_path, json.dumps({"class_name": "Model", "config": config}), "model.json"))


def test_a_merge_layer_of_keras_1_in_a_newer_file(tmp_path):
    with pytest.raises(UnsupportedError, match="Merge"):
        load_keras(write(tmp_path, sequential(("Dense", {"units": 4}), ("Merge", {"mode": "sum"})), "model.json"))


def test_models_that_call_models_twice_at_every_level(tmp_path):
    """A short file that stands for 2**40 calls."""

    def model(name, layers, last):
        config = {"name": name, "layers": layers, "input_layers": [[f"{name}_x", 0, 0]], "output_layers": [last]}
        return {"class_name": "Model", "name": name, "config": config}

    made = {"class_name": "Activation", "name": "a", "config": {"name": "a", "activation": "relu"}}
    for level in range(40):
        name = f"m{level}"
        x = {"class_name": "InputLayer", "name": f"{name}_x", "config": {"name": f"{name}_x", "batch_input_shape": [None, 3]}, "inbound_nodes": []}
        nodes = [[[f"{name}_x", 0, 0, {}]], [[made["name"], 0, 0, {}]]]
        made = model(name, [x, {**made, "inbound_nodes": nodes}], [made["name"], 1, 0])
    with pytest.raises(FormatError, match="beyond the limit"), limits(layers=2000):
        load_keras(write(tmp_path, json.dumps(made), "model.json"))


def test_zip_bombs_and_paths(tmp_path):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b" " * (80 << 20))
        archive.writestr("../../outside.txt", b"never written")
    path = write(tmp_path, data.getvalue(), "bomb.keras")
    started = time.monotonic()
    with pytest.raises(FormatError, match="beyond the limit"):
        load_keras(path)
    assert time.monotonic() - started < 20 and not (tmp_path.parent.parent / "outside.txt").exists()
    with pytest.raises(FormatError, match="is missing"), limits(text=1 << 30):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("other", b"")
        assert read_archive(path) == {}
        load_keras(path)


@pytest.mark.parametrize(
    "kernel, words",
    [
        (lambda file: file.create_dataset("d/d/kernel:0", shape=(1 << 20, 1 << 20), dtype="f4", chunks=(1024, 1024)), "shape|truncated"),
        (lambda file: file.create_dataset("d/d/kernel:0", shape=(3, 2), dtype="f4", external=[("/etc/hostname", 0, 24)]), "lie in another file"),
        (lambda file: file.__setitem__("d/d/kernel:0", h5py().ExternalLink("/etc/hostname", "/x")), "missing|link|outside"),
        (lambda file: file.__setitem__("d/d/kernel:0", h5py().SoftLink("/d/d/kernel:0")), "missing|link|cycle|deep"),
    ],
    ids=["huge and empty", "outside the file", "a link outside", "a link to itself"],
)
def test_hdf5_files_that_ask_for_too_much(tmp_path, kernel, words):
    with h5py().File(tmp_path / "w.h5", "w") as file:
        kernel(file)
        file.create_dataset("d/d/bias:0", data=np.zeros(2, np.float32))
        file.attrs["layer_names"], file["d"].attrs["weight_names"] = [b"d"], [b"d/kernel:0", b"d/bias:0"]
    with pytest.raises(SparkDLError, match=words):
        load_keras(write(tmp_path, sequential(), "model.json"), tmp_path / "w.h5")


def h5py():
    return pytest.importorskip("h5py")


def test_a_mean_file_is_only_looked_for_beside_the_net(tmp_path):
    data = 'layer { name: "d" type: "Data" top: "data" transform_param { mean_file: "../../../etc/passwd" crop_size: 4 force_color: true } }\n'
    model = load_caffe(write(tmp_path, data + CONV.format("c", "data")))
    assert model.preprocess.mean is None and model.preprocess.mean_file == "../../../etc/passwd"


def test_yaml(tmp_path):
    """The same model as from JSON; aliases cannot make it endless, and no object is made of a tag."""
    yaml = pytest.importorskip("yaml")
    text = sequential(("Dense", {"units": 4, "activation": "tanh"}))
    described = yaml.safe_dump(json.loads(text)).replace("batch_input_shape:", "batch_input_shape: !!python/tuple")
    x = np.ones((2, 3), np.float32)
    made = []
    for name, content in (("model.json", text), ("model.yaml", described)):
        nn.manual_seed(0)
        made.append(load_keras(write(tmp_path, content, name))(x))
    np.testing.assert_array_equal(*made)
    bomb = "class_name: Sequential\na0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
    for content, words in ((bomb, "beyond the limit"), ("class_name: &a [*a]", "beyond the limit|cannot be read"), ("class_name: !!python/name:os.system", "cannot be read"), ("class_name: " + "[" * 5000, "cannot be read")):
        with pytest.raises(FormatError, match=words):
            load_keras(write(tmp_path, content, "bad.yaml"))


@pytest.mark.parametrize("format", fuzz.FORMATS)
def test_a_slice_of_fuzzing(tmp_path, format):
    seeds = write_seeds(format, tmp_path)
    if not seeds:
        pytest.skip("the package that writes such files is missing: h5py or torch")
    with warnings.catch_warnings():
        outcomes = fuzz.in_child(format, seeds, 25, 1, 60, 1.0, tmp_path)
    assert not [name for name in outcomes if name.startswith("finding")], outcomes
