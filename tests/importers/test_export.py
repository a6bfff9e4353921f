"""What is exported reads back and gives the same outputs; real Keras and onnxruntime agree where they are installed."""

from __future__ import annotations

import os

import numpy as np
import pytest

from sparkdl import nn
from sparkdl.errors import ShapeError, UnsupportedError
from sparkdl.importers import load_caffe, load_keras, save_caffe, save_keras, save_onnx

os.environ.setdefault("KERAS_BACKEND", "torch")


def convolutional():
    return nn.Sequential(
        conv1=nn.Conv2d(3, 4, 3, padding=1), relu=nn.ReLU(), pool=nn.MaxPool2d(2), conv2=nn.Conv2d(4, 6, 3, stride=1, groups=2),
        norm=nn.BatchNorm2d(6), leaky=nn.LeakyReLU(0.1), mean=nn.AvgPool2d(2), flat=nn.Flatten(), drop=nn.Dropout(0.5),
        fc=nn.Linear(24, 5), soft=nn.Softmax(),
    )  # fmt: skip


def branched():
    x = nn.Input((4, 6, 6), "x")
    a, b = nn.Conv2d(4, 4, 1)(x), nn.Conv2d(4, 4, 3, padding=1, bias=False)(x)
    joined = nn.Concat(1)(nn.Tanh()(nn.Add()(a, b)), nn.ELU()(nn.Mul()(a, b)))
    return nn.Graph([x], [nn.ConvTranspose2d(8, 2, 2, stride=2)(joined), nn.ReduceMean((2, 3))(joined)])


def dense():
    return nn.Sequential(nn.Linear(6, 8), nn.Sigmoid(), nn.BatchNorm1d(8), nn.PReLU(8), nn.Linear(8, 2, bias=False))


def recurrent():
    return nn.Sequential(nn.LSTM(5, 4), nn.GRU(4, 3, return_sequences=False), nn.Linear(3, 2))


def hard_gates():
    """With Keras 2's hard_sigmoid, which Keras 3 does not have."""
    old = {"recurrent_activation": "hard_sigmoid"}
    return nn.Sequential(nn.LSTM(5, 4, **old), nn.GRU(4, 4, **old), nn.GRU(4, 3, reset_after=False, **old), nn.RNN(3, 2, nonlinearity="hard_sigmoid"))


def resized():
    return nn.Sequential(nn.Upsample(scale_factor=2.5, mode="bilinear"), nn.Upsample((7, 9), mode="bicubic"), nn.AvgPool2d(2))


NETS = {"convolutional": (convolutional, (3, 12, 12)), "branched": (branched, (4, 6, 6)), "dense": (dense, (6,)), "recurrent": (recurrent, (7, 5)), "hard gates": (hard_gates, (7, 5))}


def net(name):
    make, shape = NETS[name]
    nn.manual_seed(0)
    model = make().eval()
    draw = np.random.default_rng(1)
    for path, buffer in model.named_buffers():
        if path.endswith(("running_mean", "running_var")):
            buffer[...] = draw.uniform(0.5, 1.5, buffer.shape)
    return model, shape, draw.standard_normal((3, *shape)).astype(np.float32)


def outputs(y):
    return [np.asarray(each) for each in (y if isinstance(y, list | tuple) else [y])]


def same(got, wanted):
    for a, b in zip(outputs(got), outputs(wanted), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [n for n in NETS if NETS[n][1] != (7, 5)])
def test_caffe_reads_back(tmp_path, name):
    model, shape, x = net(name)
    save_caffe(model, tmp_path / "net.prototxt", tmp_path / "net.caffemodel", [shape])
    same(load_caffe(tmp_path / "net.prototxt", tmp_path / "net.caffemodel")(x), model(x))


@pytest.mark.parametrize("name", NETS)
def test_keras_reads_back(tmp_path, name):
    pytest.importorskip("h5py")
    model, shape, x = net(name)
    save_keras(model, tmp_path / "model.keras", [shape])
    same(load_keras(tmp_path / "model.keras")(x), model(x))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")  # Keras's own
@pytest.mark.parametrize("name", NETS)
def test_real_keras_agrees(tmp_path, name):
    pytest.importorskip("h5py")
    keras = pytest.importorskip("keras")
    model, shape, x = net(name)
    save_keras(model, tmp_path / "model.keras", [shape])
    same(keras.models.load_model(tmp_path / "model.keras").predict(x, verbose=0), model(x))


@pytest.mark.parametrize("name", [*NETS, "resized"])
def test_onnxruntime_agrees(tmp_path, name):
    runtime = pytest.importorskip("onnxruntime")
    model, shape, x = net(name) if name in NETS else (resized(), (2, 4, 5), np.random.default_rng(0).random((3, 2, 4, 5), np.float32))
    save_onnx(model, tmp_path / "model.onnx", [shape])
    session = runtime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    same(session.run(None, {session.get_inputs()[0].name: x}), model(x))


@pytest.mark.parametrize("name", NETS)
def test_onnx_file_is_written(tmp_path, name):
    from sparkdl.importers.caffe import wire
    from sparkdl.importers.onnx import schema  # noqa: F401

    model, shape, _ = net(name)
    save_onnx(model, tmp_path / "model.onnx", [shape])
    graph = wire.load_binary(tmp_path / "model.onnx", "ModelProto")["graph"]
    made = {name for node in graph["node"] for name in node["output"]} | {i["name"] for i in graph["input"]}
    made |= {array["name"] for array in graph["initializer"]}
    assert all(name in made for node in graph["node"] for name in node["input"] if name)
    assert all(output["name"] in made for output in graph["output"])


def tangled():
    """An input that nothing reads, outputs that other layers read, and parts that nothing reads."""
    x, spare = nn.Input((6, 4), "x"), nn.Input((2,), "spare")
    first, rest, _ = nn.Split((2, 3, 1), 1)(x)
    square = nn.Square()(first)
    top = nn.LogSoftmax(2)(nn.Negative()(nn.Concat(1)(square, rest)))
    return nn.Graph([x, spare], [top, square, x]).eval()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")  # Keras's own
@pytest.mark.parametrize("format", ["caffe", "keras", "real keras", "onnx"])
def test_outputs_come_in_order_whatever_reads_them(tmp_path, format):
    model, draw = tangled(), np.random.default_rng(0)
    x, spare = draw.standard_normal((3, 6, 4)).astype(np.float32), np.ones((3, 2), np.float32)
    if format == "caffe":
        save_caffe(model, tmp_path / "n.prototxt", tmp_path / "n.caffemodel", [(6, 4), (2,)])
        got = load_caffe(tmp_path / "n.prototxt", tmp_path / "n.caffemodel")(x)
    elif format == "onnx":
        runtime = pytest.importorskip("onnxruntime")
        save_onnx(model, tmp_path / "n.onnx", [(6, 4), (2,)])
        got = runtime.InferenceSession(str(tmp_path / "n.onnx"), providers=["CPUExecutionProvider"]).run(None, {"x": x, "spare": spare})
    else:
        pytest.importorskip("h5py")
        save_keras(model, tmp_path / "n.keras", [(6, 4), (2,)])
        if format == "keras":
            got = load_keras(tmp_path / "n.keras")(x, spare)
        else:
            got = pytest.importorskip("keras").models.load_model(tmp_path / "n.keras").predict([x, spare], verbose=0)
    same(got, model(x, spare))


@pytest.mark.parametrize("up", [True, False])
@pytest.mark.parametrize("size, stride, padding", [(3, 2, 0), (3, 2, 1), (2, 2, 1), (2, 2, 0), (1, 2, 0)])
def test_pooling_of_either_rounding_goes_to_caffe(tmp_path, up, size, stride, padding):
    files = tmp_path / "n.prototxt", tmp_path / "n.caffemodel"
    for n in (6, 7, 8):
        x = np.random.default_rng(n).standard_normal((2, 3, n, n + 1)).astype(np.float32)
        for layer in (nn.MaxPool2d(size, stride, padding if 2 * padding <= size else 0, ceil_mode=up), nn.AvgPool2d(size, stride, ceil_mode=up)):
            save_caffe(nn.Sequential(layer), *files, [x.shape[1:]])
            same(load_caffe(*files)(x), layer(x))


def test_a_shuffle_of_channels_goes_to_caffe_and_other_choices_do_not(tmp_path):
    files, x = (tmp_path / "n.prototxt", tmp_path / "n.caffemodel"), np.random.default_rng(0).random((2, 6, 3, 3), np.float32)
    model = nn.Sequential(nn.Take((0, 2, 4, 1, 3, 5)), nn.Take((0, 3, 1, 4, 2, 5)))
    save_caffe(model, *files, [(6, 3, 3)])
    np.testing.assert_array_equal(load_caffe(*files)(x), model(x))
    for layer in (nn.Take((0, 2, 1, 3, 4, 5)), nn.Take((0, 2)), nn.Take((0, 1, 2), 2)):
        with pytest.raises(UnsupportedError, match="only the shuffle of channels"):
            save_caffe(nn.Sequential(layer), *files, [(6, 3, 3)])


def test_all_unknown_layers_are_listed_and_nothing_is_written(tmp_path):
    model = nn.Sequential(a=nn.Softsign(), b=nn.SELU(), c=nn.ReLU())
    with pytest.raises(UnsupportedError, match=r"'a' \(Softsign\), 'b' \(SELU\)"):
        save_caffe(model, tmp_path / "n.prototxt", tmp_path / "n.caffemodel", [(4,)])
    assert not list(tmp_path.iterdir())


def test_all_options_that_a_format_lacks_are_listed(tmp_path):
    model = nn.Sequential(
        a=nn.Softplus(beta=2.0), b=nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect"), c=nn.LocalResponseNorm(4), d=nn.Softplus(threshold=1.0),
    )  # fmt: skip
    for write in (
        lambda: save_caffe(model, tmp_path / "n.prototxt", tmp_path / "n.caffemodel", [(3, 8, 8)]),
        lambda: save_onnx(model, tmp_path / "n.onnx", [(3, 8, 8)]),
    ):
        with pytest.raises(UnsupportedError) as told:
            write()
        assert [each for each in "abcd" if f"'{each}'" not in str(told.value)] == []
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "layer",
    [
        nn.AvgPool2d(3, stride=2, padding=1, ceil_mode=True), nn.AvgPool2d(2, divisor_override=5), nn.MaxPool2d(3, stride=2, ceil_mode=True),
        nn.BatchNorm2d(3, track_running_stats=False), nn.Softplus(beta=2.0),
    ],
    ids=repr,
)  # fmt: skip
def test_keras_is_given_nothing_that_it_computes_otherwise(tmp_path, layer):
    pytest.importorskip("h5py")
    with pytest.raises(UnsupportedError, match="'a'"):
        save_keras(nn.Sequential(a=layer), tmp_path / "n.keras", [(3, 8, 8)])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("first, shape", [
    (lambda: nn.LSTM(4, 3), (20, 4)), (lambda: nn.TransformerEncoderLayer(8, 2), (20, 8)), (lambda: nn.Embedding(10, 4), (20,)),
    (lambda: nn.Linear(5, 2), (5,)), (lambda: nn.Conv1d(6, 4, 3), (6, 32)), (lambda: nn.Conv2d(1, 4, 3, data_format="NHWC"), (32, 32, 1)),
    (lambda: nn.ReLU(), (3, 32, 32)),
])  # fmt: skip
def test_a_missing_shape_is_suggested_with_the_axes_of_the_first_layer(tmp_path, first, shape):
    model = nn.Sequential(first(), nn.Tanh())
    with pytest.raises(ShapeError) as error:
        save_onnx(model, tmp_path / "m.onnx")
    assert f"input_shapes=[{shape}]" in str(error.value)
    assert model.eval()(np.zeros((2, *shape), np.float32)).shape[0] == 2
