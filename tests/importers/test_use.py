"""Imported models are models like any other: saved and loaded, pickled, fine-tuned."""

from __future__ import annotations

import pickle

import caffecases
import numpy as np
import pytest
from realdata import real_data

from sparkdl import nn, optim
from sparkdl.importers import load_caffe, load_keras

NET = """
input: "data" input_shape { dim: 1 dim: 1 dim: 8 dim: 8 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "ip" type: "InnerProduct" bottom: "pool" top: "ip" inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
"""


@pytest.fixture
def caffe(tmp_path):
    (tmp_path / "net.prototxt").write_text(NET)
    nn.manual_seed(0)
    return load_caffe(tmp_path / "net.prototxt")


def data(rows=64):
    draw = np.random.default_rng(0)
    x = draw.standard_normal((rows, 1, 8, 8)).astype(np.float32)
    return x, (x.mean((1, 2, 3)) > 0).astype(np.int64)


def test_saved_loaded_and_pickled(caffe, tmp_path):
    x, _ = data(3)
    caffe.save(tmp_path / "saved")
    np.testing.assert_array_equal(nn.load(tmp_path / "saved").eval()(x), caffe(x))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(caffe))(x), caffe(x))


@pytest.mark.parametrize("case, file", [("k22_lenet", "model.h5"), ("k3_resnet_block", "model.keras"), ("tfk_bidirectional_lstm", "model.h5")])
def test_keras_models_saved_and_loaded(case, file, tmp_path):
    folder = real_data(f"keras_generated/{case}")
    model, x = load_keras(folder / file), np.load(folder / "input_0.npy")
    model.save(tmp_path / "saved")
    np.testing.assert_array_equal(nn.load(tmp_path / "saved").eval()(x), model(x))


def test_fine_tuning_here_lowers_the_loss(caffe):
    x, y = data()
    loss = nn.CrossEntropyLoss()
    before = loss(caffe(x), y)
    optim.Trainer(caffe.train(), loss, optim.SGD(lr=0.1), batch_size=16, max_epochs=3, progress=False).fit((x, y))
    assert loss(caffe.eval()(x), y) < before


def test_every_layer_of_a_recorded_net_can_be_trained():
    folder = real_data("caffe_suite/net_mini_alexnet")
    model, inputs, _ = caffecases.load(folder)
    y = model.train()(inputs)
    model.backward(np.ones_like(y))
    assert all(np.isfinite(p.grad).all() for p in model.parameters())


def test_bfloat16_in_hdf5(tmp_path):
    """Keras keeps it as two plain bytes, as HDF5 has no such number."""
    from sparkdl.importers.hdf5 import Hdf5

    h5py, values = pytest.importorskip("h5py"), np.float32([[1.5, -2.0], [0.25, 0.0]])
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.create_dataset("w", data=(values.view(np.uint32) >> 16).astype("<u2").view("V2"))
    with Hdf5(tmp_path / "w.h5") as file:
        np.testing.assert_array_equal(file.root.dataset("w").read(), values)
