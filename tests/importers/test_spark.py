"""A model of each format is trained a few steps on Spark, scores there, and gives the same as here."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sparkdl import nn, optim
from sparkdl.importers import load_caffe, load_caffe_solver, load_keras, load_torch, save_caffe
from sparkdl.importers.fuzz_seeds import write_seeds

ROWS, SHAPE = 48, (1, 6, 6)
TRAIN_VAL = """
name: "tiny"
layer { name: "d" type: "Data" top: "data" top: "label" include { phase: TRAIN } data_param { source: "x" batch_size: 12 }
        transform_param { crop_size: 6 force_gray: true scale: 0.5 } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" param { lr_mult: 1 } param { lr_mult: 2 }
        convolution_param { num_output: 3 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip" inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "label" top: "accuracy" include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" include { phase: TRAIN } }
"""
SOLVER = 'net: "tiny.prototxt" base_lr: 0.05 momentum: 0.9 lr_policy: "fixed" max_iter: 8 random_seed: 3'


def bright(rows=ROWS, seed=0):
    """Pictures (rows, 1, 6, 6) and whether they are bright."""
    draw = np.random.default_rng(seed)
    y = draw.integers(0, 2, rows)
    return (draw.standard_normal((rows, *SHAPE)) + (2 * y - 1)[:, None, None, None]).astype(np.float32), y


@pytest.fixture(scope="module")
def frame(local):
    x, y = bright()
    rows = pd.DataFrame({"id": np.arange(ROWS), "image": [row.astype(float).tolist() for row in x.reshape(ROWS, -1)], "label": y.astype(float)})
    return local.createDataFrame(rows).coalesce(2).cache()


def of_caffe(folder):
    (folder / "train_val.prototxt").write_text(TRAIN_VAL)
    nn.manual_seed(0)
    drawn = load_caffe(folder / "train_val.prototxt", phase="TRAIN")
    save_caffe(drawn, folder / "deploy.prototxt", folder / "net.caffemodel", [SHAPE])
    return load_caffe(folder / "deploy.prototxt", folder / "net.caffemodel")


def of_keras(name):
    """A description of Keras 1, 2 or 3 with weights drawn here."""

    def make(folder):
        (folder / "model.json").write_text(KERAS[name])
        nn.manual_seed(0)
        return load_keras(folder / "model.json")

    return make


KERAS = {
    "keras1": """{"class_name": "Sequential", "keras_version": "1.2.2", "config": [
        {"class_name": "Convolution2D", "config": {"name": "c", "batch_input_shape": [null, 1, 6, 6], "nb_filter": 3, "nb_row": 3, "nb_col": 3,
         "border_mode": "valid", "subsample": [1, 1], "activation": "relu", "dim_ordering": "th", "bias": true}},
        {"class_name": "Flatten", "config": {"name": "f"}},
        {"class_name": "Dense", "config": {"name": "d", "output_dim": 2, "activation": "linear", "bias": true}}]}""",
    "keras2": """{"class_name": "Sequential", "keras_version": "2.2.4", "backend": "tensorflow", "config": {"name": "s", "layers": [
        {"class_name": "Conv2D", "config": {"name": "c", "batch_input_shape": [null, 1, 6, 6], "filters": 3, "kernel_size": [3, 3],
         "activation": "relu", "data_format": "channels_first"}},
        {"class_name": "Flatten", "config": {"name": "f", "data_format": "channels_first"}},
        {"class_name": "Dense", "config": {"name": "d", "units": 2, "activation": "linear", "kernel_regularizer":
         {"class_name": "L1L2", "config": {"l1": 0.0, "l2": 0.001}}}}]}}""",
}


def of_keras3(folder):
    (path,) = write_seeds("keras", folder)  # by save_keras
    body = load_keras(path)
    x = nn.Input(SHAPE)
    return nn.Graph([x], [nn.Linear(5, 2)(body(nn.Conv2d(1, 3, 1)(x)))])


def of_torch(folder):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    torch.save(torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(48, 2)).state_dict(), folder / "w.pt")
    return load_torch(folder / "w.pt", nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 2)))


@pytest.mark.parametrize("make", [of_caffe, of_keras("keras1"), of_keras("keras2"), of_keras3, of_torch], ids=["caffe", "keras1", "keras2", "keras3", "torch"])
def test_fine_tuned_and_scored_on_spark(frame, tmp_path, make):
    from sparkdl.ml import NNModel

    if make is of_keras3:
        pytest.importorskip("h5py")
    model, (x, y) = make(tmp_path), bright()
    loss = nn.CrossEntropyLoss()
    before = loss(np.asarray(model.eval()(x)), y)
    trainer = optim.Trainer(model.train(), loss, optim.SGD(lr=0.05, momentum=0.9), batch_size=16, end=optim.max_iteration(8), progress=False)
    trainer.fit(frame, features={"image": SHAPE}, label="label")
    tuned = trainer.model.eval()
    assert loss(np.asarray(tuned(x)), y) < before
    scored = NNModel(model=tuned, featuresCol="image", featuresShape=list(SHAPE), outputCols=["scores"]).transform(frame)
    rows = sorted(scored.select("id", "scores").collect())
    made = np.array([row.scores.toArray() if hasattr(row.scores, "toArray") else row.scores for row in rows])
    np.testing.assert_allclose(made, tuned(x), rtol=1e-5, atol=1e-6)


def test_a_solver_trains_its_train_val_net_on_a_dataframe(frame, tmp_path):
    (tmp_path / "tiny.prototxt").write_text(TRAIN_VAL)
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    nn.manual_seed(0)
    trainer = load_caffe_solver(tmp_path / "solver.prototxt", progress=False)
    x, y = bright()
    before = trainer.loss(np.asarray(trainer.model.eval()(x)), y)
    history = trainer.fit(frame, features={"image": SHAPE}, label="label")
    assert history[-1]["iteration"] == 8 and trainer.batch_size == 12
    assert trainer.loss(np.asarray(trainer.model.eval()(x)), y) < before
