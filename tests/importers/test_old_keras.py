"""What only older Keras writes, in files written here, against its formula written out."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sparkdl.importers import load_keras

X = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)
A, B, M, V = np.float32([[1, 2, 3, 4], [0.5, 0, -1, 2], [0.1, 0.2, 0.3, 0.4], [1, 2, 0.5, 3]])


def write(folder, layers, version):
    """A whole-model HDF5 file of ``layers``: (class, config, weights); the first takes four numbers."""
    h5py = pytest.importorskip("h5py")
    listed = [{"class_name": kind, "config": dict(config)} for kind, config, _ in layers]
    listed[0]["config"]["batch_input_shape"] = [None, 4]
    config = listed if version.startswith("1") else {"name": "s", "layers": listed}
    with h5py.File(folder / "model.h5", "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": config})
        file.attrs["keras_version"] = version
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [config["name"].encode() for _, config, _ in layers]
        group.attrs["keras_version"] = version
        for _, config, weights in layers:
            own = group.create_group(config["name"])
            names = [f"{config['name']}/w{i}:0" for i in range(len(weights))]
            own.attrs["weight_names"] = [name.encode() for name in names]
            for name, weight in zip(names, weights, strict=True):
                own[name] = weight
    return folder / "model.h5"


def of_batch(x):
    return (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-2) * A + B


def of_sample(x):
    deviation = np.sqrt(x.var(1, keepdims=True) + 1e-2) + 1e-2
    return (x - x.mean(1, keepdims=True)) / deviation * A + B


@pytest.mark.filterwarnings("ignore:layer 'n'. mode 2")
@pytest.mark.parametrize("mode, reference", [(0, lambda x: (x - M) / np.sqrt(V + 1e-2) * A + B), (1, of_sample), (2, of_batch)])
def test_modes_of_batch_normalisation(tmp_path, mode, reference):
    layers = [("BatchNormalization", {"name": "n", "mode": mode, "axis": -1, "epsilon": 1e-2}, [A, B, M, V])]
    np.testing.assert_allclose(load_keras(write(tmp_path, layers, "1.2.2"))(X), reference(X), rtol=1e-4, atol=1e-5)


def test_names_with_slashes_are_groups_in_groups(tmp_path):
    """As in the DenseNets of keras.applications, layers without weights among them."""
    kernel = np.arange(8, dtype=np.float32).reshape(4, 2)
    layers = [("Activation", {"name": "conv1/relu", "activation": "relu"}, []), ("Dense", {"name": "conv1/fc", "units": 2}, [kernel, B[:2]])]
    np.testing.assert_allclose(load_keras(write(tmp_path, layers, "2.2.4"))(X), X.clip(0) @ kernel + B[:2], rtol=1e-5)


def test_layer_scale(tmp_path):
    layers = [("LayerScale", {"name": "scale", "init_values": 1e-6, "projection_dim": 4}, [A])]
    np.testing.assert_array_equal(load_keras(write(tmp_path, layers, "2.15.0"))(X), X * A)


@pytest.mark.parametrize("version, more, order", [
    ("2.0.9", {}, [3, 3, 2, 2]), ("2.2.2", {}, [3, 3, 2, 2]), ("2.2.4", {}, [2, 2, 3, 3]), ("2.1.6-tf", {}, [2, 2, 3, 3]),
    ("2.4.0", {"reverse_state_order": True}, [3, 3, 2, 2]),
])  # fmt: skip
def test_states_of_stacked_cells_stood_in_reverse(tmp_path, version, more, order):
    cells = [{"class_name": "LSTMCell", "config": {"name": f"c{units}", "units": units}} for units in (2, 3)]
    stack = {"class_name": "StackedRNNCells", "config": {"name": "s", "cells": cells, **more}}
    layers = [
        {"class_name": "InputLayer", "name": "x", "config": {"name": "x", "batch_input_shape": [None, 5, 4]}, "inbound_nodes": []},
        {"class_name": "RNN", "name": "r", "config": {"name": "r", "cell": stack, "return_state": True}, "inbound_nodes": [[["x", 0, 0, {}]]]},
    ]
    config = {"name": "m", "layers": layers, "input_layers": [["x", 0, 0]], "output_layers": [["r", 0, i] for i in range(5)]}
    (tmp_path / "m.json").write_text(json.dumps({"class_name": "Model", "config": config, "keras_version": version}))
    y, *states = load_keras(tmp_path / "m.json")(np.ones((1, 5, 4), np.float32))
    assert [s.shape[1] for s in states] == order
    np.testing.assert_array_equal(states[order.index(3)], y)
