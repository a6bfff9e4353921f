"""Models that real Keras 3 builds and saves here give its own outputs: layers, masks and operations that recorded files lack."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest

from sparkdl import nn, optim
from sparkdl.errors import UnsupportedError
from sparkdl.importers import load_keras, register_keras
from sparkdl.importers.keras.table import table
from sparkdl.importers.keras.training import optimizer_from
from sparkdl.optim import Progress

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")  # Keras's own


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    pytest.importorskip("torch")
    return pytest.importorskip("keras")


def one(shape, *make):
    """A functional model of layers one after another: ``make`` are functions of ``keras.layers``."""

    def build(keras):
        x = y = keras.Input(shape)
        for each in make:
            y = each(keras.layers)(y)
        return keras.Model(x, y)

    return build


def of(shapes, function):
    """A model of inputs of these shapes and what ``function(keras, *inputs)`` makes of them."""

    def build(keras):
        inputs = [keras.Input(shape) for shape in shapes]
        return keras.Model(inputs, function(keras, *inputs))

    return build


def masked(k, *tensors):
    return [k.layers.Masking()(t) for t in tensors]


def dicts_inside(k, x, y):
    a, b = k.Input((4,), name="a"), k.Input((4,), name="b")
    inner = k.Model({"b": b, "a": a}, {"s": k.layers.Dense(3)(a) + k.layers.Dense(3)(b), "r": k.layers.Dense(2)(b)})
    first, second = inner({"a": x, "b": y}), inner({"b": x, "a": y})
    return k.layers.Concatenate()([first["s"], first["r"], second["s"]])


CASES = {
    "softmax over axes": one((4, 5, 3), lambda L: L.Softmax([1, 2])),
    "relu of all kinds": one((4, 5), lambda L: L.ReLU(2.0, 0.1, 0.3)),
    "dense of pictures": one((3, 4, 5), lambda L: L.Dense(2)),
    "transposed with output padding": one((5, 4, 3), lambda L: L.Conv2DTranspose(4, 3, 2, "same", output_padding=1)),
    "adaptive pooling": one((7, 9, 3), lambda L: L.AdaptiveAveragePooling2D(3)),
    "group norm between": one((4, 6, 5), lambda L: L.GroupNormalization(2, axis=2)),
    "layer norm, axes unsorted": one((4, 3, 5), lambda L: L.LayerNormalization(axis=[-1, -2])),
    "layer norm by deviation": one((4, 5), lambda L: L.LayerNormalization(rms_scaling=True)),
    "spectral norm": one((6,), lambda L: L.SpectralNormalization(L.Dense(4))),
    "selu in an lstm": one((6, 3), lambda L: L.Masking(), lambda L: L.LSTM(4, activation="selu", return_sequences=True)),
    "softmax in a gru": one((6, 3), lambda L: L.Masking(), lambda L: L.GRU(4, activation="softmax", go_backwards=True)),
    "gelu in a gru of its own reset": one((6, 3), lambda L: L.GRU(4, activation="gelu", reset_after=False)),
    "mish in cells": one((6, 3), lambda L: L.RNN(L.SimpleRNNCell(4, activation="mish"), return_sequences=True)),
    "recurrent dropout": one((6, 3), lambda L: L.LSTM(4, recurrent_dropout=0.3)),
    "masked both ways": one((6, 3), lambda L: L.Masking(), lambda L: L.Bidirectional(L.GRU(4, return_sequences=True))),
    "masks joined": of(((6, 3), (6, 3)), lambda k, a, b: k.layers.LSTM(3)(k.layers.Concatenate()(masked(k, a, b)))),
    "masked product": of(((6, 3), (6, 3)), lambda k, a, b: k.layers.LSTM(3)(k.layers.Multiply()(masked(k, a, b)))),
    "attention with masks": of(((4, 6), (5, 6)), lambda k, a, b: k.layers.Attention()(masked(k, a, b))),
    "concat attention": of(((4, 6), (5, 6)), lambda k, a, b: k.layers.Attention(True, "concat")([a, b])),
    "heads with masks": of(((4, 6), (5, 6)), lambda k, a, b: k.layers.MultiHeadAttention(2, 3)(*masked(k, a, b))),
    "heads with masks and dropout": of(((4, 6), (5, 6)), lambda k, a, b: k.layers.MultiHeadAttention(2, 3, dropout=0.1)(*masked(k, a, b))),
    "weights of heads with masks": of(((4, 6), (5, 6)), lambda k, a, b: k.layers.MultiHeadAttention(2, 3)(*masked(k, a, b), return_attention_scores=True)[1]),
    "a model of dicts inside": of(((4,), (4,)), dicts_inside),
    "heads over two axes": of(((3, 4, 6),), lambda k, x: k.layers.MultiHeadAttention(2, 3)(x, x)),
    "heads over the second axis": of(((3, 4, 6),), lambda k, x: k.layers.MultiHeadAttention(2, 3, attention_axes=(2,))(x, x)),
    "gated heads in a window": of(((5, 6), (5, 6)), lambda k, a, b: k.layers.MultiHeadAttention(2, 3, value_dim=4, use_gate=True, sliding_window=2)(*masked(k, a, b), use_causal_mask=True)),
    "gated groups of heads": of(((4, 6), (5, 6)), lambda k, a, b: k.layers.GroupQueryAttention(3, 4, 2, use_gate=True, sliding_window=3)(a, b)),
    "nearest": one((6, 5, 3), lambda L: L.Resizing(9, 4, "nearest")),
    "small centre crop": one((4, 4, 3), lambda L: L.CenterCrop(6, 6)),
    "bins as vectors": one((4,), lambda L: L.Discretization([-1.0, 0.0, 0.5], output_mode="multi_hot")),
    "convlstm both ways": one((3, 4, 4, 2), lambda L: L.Bidirectional(L.ConvLSTM2D(2, 2, padding="same", return_sequences=True))),
    "weighed categories": of(((6,), (6,)), lambda k, a, b: k.layers.CategoryEncoding(4, output_mode="count")(k.ops.cast(k.ops.clip(k.ops.abs(a), 0, 3), "int32"), count_weights=b)),
    "reversed embedding": of(((5,),), lambda k, x: (lambda e: e(e(k.ops.cast(k.ops.abs(x), "int32")), reverse=True))(k.layers.ReversibleEmbedding(9, 3, logit_soft_cap=2.0))),
    "einsum with a bias of two axes": one((4, 5, 6), lambda L: L.EinsumDense("abcd,ce->abed", output_shape=(None, 7, 6), bias_axes="ed")),
    "mel bands": one((64,), lambda L: L.MelSpectrogram(32, 8, 32, sampling_rate=1000, num_mel_bins=6, min_freq=10, power_to_db=False)),
    "spectrogram": one((40, 2), lambda L: L.STFTSpectrogram(frame_length=8, frame_step=4)),
    "spectrogram, same, apart": one((40, 2), lambda L: L.STFTSpectrogram("psd", frame_length=8, frame_step=3, padding="same", expand_dims=True)),
    "mean of masked steps, kept": one((6, 3), lambda L: L.Masking(), lambda L: L.GlobalAveragePooling1D(keepdims=True)),
    "contrast": one((5, 6, 3), lambda L: L.Rescaling(40.0, 100.0), lambda L: L.AutoContrast()),
    "a pipeline": one((5, 6, 3), lambda L: L.Pipeline([L.RandomFlip(), L.Rescaling(0.5), L.CenterCrop(3, 3)])),
    "indices": of(((4, 6),), lambda k, x: k.ops.concatenate([x[:, :, 1::2], x[..., -1:], x[:, 2][:, None][..., None, 0] * k.ops.ones_like(x[:, :, :1])], axis=-1)),
    "arithmetic": of(((4, 6),), lambda k, x: 3.0 / (k.ops.abs(x) + 1) - (2.0 - x) ** 2 + x % 0.7 - x // 0.3),
    "statistics": of(((4, 6),), lambda k, x: k.ops.var(x, 1) + k.ops.std(x, 1) + k.ops.logsumexp(x, 1) + k.ops.min(x, 1) + k.ops.norm(x, axis=1)),
    "choices": of(((4, 6),), lambda k, x: k.ops.where(x > 0.3, k.ops.sin(x), k.ops.clip(x, -0.5, 0.1)) + k.ops.cast(x <= 0, "float32")),
    "places": of(((4, 6),), lambda k, x: k.ops.one_hot(k.ops.argmax(x, axis=-1), 6) + k.ops.roll(k.ops.take(x, [3, 0, 0, 1], axis=1), 2, axis=1)),
    "parts": of(((4, 6),), lambda k, x: k.ops.swapaxes(k.ops.stack(k.ops.split(x, [1, 3], axis=2)[1:2] * 2, axis=1), 1, 3)),
    "pictures": of(((6, 6, 3),), lambda k, x: k.ops.max_pool(k.ops.pad(x, [[0, 0], [1, 1], [2, 2], [0, 0]]), 2, 2) + k.ops.image.resize(x, (4, 5))),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_real_keras_agrees(keras, tmp_path, name, ending):
    draw = np.random.default_rng(len(name))
    model = CASES[name](keras)
    for variable in model.variables:
        if variable.dtype == "float32" and "boundaries" not in variable.path:
            variable.assign(draw.normal(0, 0.5, variable.shape).astype(np.float32))
    xs = [draw.normal(size=(3, *x.shape[1:])).astype(np.float32) for x in model.inputs]
    for x in xs if "mask" in name or "gru" in name or "lstm" in name else []:
        x[0, -2:] = x[:, 2] = 0
    wanted = model.predict(xs if len(xs) > 1 else xs[0], verbose=0)
    model.save(tmp_path / f"model{ending}")
    made = load_keras(tmp_path / f"model{ending}")(*xs)
    assert made.shape == wanted.shape
    assert np.abs(made - wanted).max() <= 1e-4 * np.abs(wanted).max() + 1e-6


def test_frozen_normalisation_keeps_its_statistics_in_training(keras, tmp_path):
    inner = keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization(name="in")], name="base")
    inner.trainable = False
    model = keras.Sequential([keras.Input((4,)), inner, keras.layers.BatchNormalization(name="own", trainable=False), keras.layers.Dense(2)])
    for variable in model.variables:
        if variable.ndim == 1:
            variable.assign(np.random.default_rng(0).uniform(0.5, 2, variable.shape))
    model.save(tmp_path / "model.keras")
    made, x = load_keras(tmp_path / "model.keras").train(), np.random.default_rng(1).normal(3, 2, (8, 4)).astype(np.float32)
    wanted = keras.ops.convert_to_numpy(model(x, training=True))
    np.testing.assert_allclose(made(x), wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(made.eval()(x), wanted, rtol=1e-4, atol=1e-5)


SCHEDULES = [
    ("ExponentialDecay", (0.1, 4, 0.5), {}), ("ExponentialDecay", (0.1, 4, 0.5), {"staircase": True}), ("InverseTimeDecay", (0.1, 4, 0.5), {}),
    ("InverseTimeDecay", (0.1, 4, 0.5), {"staircase": True}), ("PolynomialDecay", (0.1, 9), {"end_learning_rate": 0.01, "power": 2.0}),
    ("PolynomialDecay", (0.1, 9), {"cycle": True}), ("CosineDecay", (0.1, 9), {"alpha": 0.2}),
    ("CosineDecay", (0.0, 9), {"alpha": 0.2, "warmup_target": 0.3, "warmup_steps": 5}), ("CosineDecayRestarts", (0.1, 4), {"m_mul": 0.5, "alpha": 0.1}),
    ("CosineDecayRestarts", (0.1, 4), {"t_mul": 1.0, "m_mul": 0.5}), ("PiecewiseConstantDecay", ([3, 7], [0.1, 0.05, 0.02]), {}),
]  # fmt: skip


@pytest.mark.parametrize("kind, arguments, more", SCHEDULES)
def test_learning_rates_are_those_of_real_schedules(keras, kind, arguments, more):
    theirs = getattr(keras.optimizers.schedules, kind)(*arguments, **more)
    rule = optimizer_from(keras.saving.serialize_keras_object(keras.optimizers.SGD(theirs)))
    rates = [rule.options(Progress(iteration=t))["lr"] for t in range(30)]
    np.testing.assert_allclose(rates, [float(theirs(t)) for t in range(30)], rtol=1e-5, atol=1e-8)
    pickle.dumps(rule)


def test_quantized_weights_are_refused(keras, tmp_path):
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, name="a"), keras.layers.ReLU(), keras.layers.Dense(3, name="b")])
    model.quantize("int8")
    model.save(tmp_path / "model.keras")
    with pytest.raises(UnsupportedError, match=r"'a' \(Dense\): its weights are quantized(?s:.*)'b' \(Dense\)"):
        load_keras(tmp_path / "model.keras")


METRICS = {
    "lists": [["accuracy"], ["mae", "mse"]],
    "by name": {"size": ["mae"], "kind": ["accuracy", "sparse_top_k_categorical_accuracy"]},
    "of one alone": [None, "mean_squared_error"],
}


@pytest.mark.parametrize("given", METRICS)
def test_metrics_of_several_outputs_are_measured_on_their_outputs(keras, tmp_path, given):
    x = keras.Input((4,))
    outputs = [keras.layers.Dense(7, "softmax", name="kind")(x), keras.layers.Dense(2, name="size")(x)]
    model = keras.Model(x, outputs)
    model.compile("sgd", ["sparse_categorical_crossentropy", "mae"], loss_weights=[1.0, 0.5], metrics=METRICS[given])
    draw = np.random.default_rng(0)
    data, kind = draw.normal(size=(40, 4)).astype(np.float32), draw.integers(0, 7, 40)
    size = draw.normal(size=(40, 2)).astype(np.float32)
    wanted = model.evaluate(data, [kind, size], return_dict=True, verbose=0)
    model.save(tmp_path / "model.keras")
    made = load_keras(tmp_path / "model.keras", compile=True)
    found = made.compiled.trainer(made, batch_size=8).evaluate(
        (data, (kind, size)), metrics=[optim.Loss(name="loss"), *made.compiled.metrics]
    )
    assert found.keys() == {key for key in wanted if key not in ("kind_loss", "size_loss")}
    for name, value in found.items():
        np.testing.assert_allclose(value, wanted[name], rtol=1e-5, err_msg=name)


def test_a_layer_of_ones_own_by_the_name_that_the_error_tells(keras, tmp_path):
    @keras.saving.register_keras_serializable("mine")
    class Twice(keras.layers.Layer):
        def call(self, x):
            return 2 * x

    keras.Sequential([keras.Input((4,)), Twice(name="t")]).save(tmp_path / "model.keras")
    with pytest.raises(UnsupportedError, match=r"'t' \(Twice\): unknown layer class, registered as 'mine>Twice'"):
        load_keras(tmp_path / "model.keras")
    register_keras("mine>Twice", lambda c: c.each(nn.MulConstant(2.0)))
    try:
        np.testing.assert_array_equal(load_keras(tmp_path / "model.keras")(np.ones((1, 4), np.float32)), [[2, 2, 2, 2]])
    finally:
        del table()["mine>Twice"]


ADDED = [
    ((4,), lambda layers: layers.Dense(3, use_bias=False)),
    ((5,), lambda layers: layers.Embedding(7, 4)),
    ((6, 5, 3), lambda layers: layers.Conv2D(4, 3)),
    ((6, 4), lambda layers: layers.EinsumDense("abc,cd->abd", (None, 3), bias_axes="d")),
    ((4,), lambda layers: layers.Dense(3)),
]


@pytest.mark.parametrize("ending", ["h5", "keras"])
@pytest.mark.parametrize("alpha, trainable", [(None, True), (3, True), (3, False)])
def test_low_rank_additions_are_added(keras, tmp_path, ending, alpha, trainable):
    for shape, make in ADDED:
        model = keras.Sequential([keras.Input(shape), make(keras.layers)])
        layer = model.layers[0]
        layer.enable_lora(2, lora_alpha=alpha)
        draw = np.random.default_rng(0)
        layer.set_weights([draw.normal(size=w.shape) for w in layer.get_weights()])
        if not trainable:
            layer.trainable = False
        model.save(tmp_path / f"model.{ending}")
        x = draw.integers(0, 7, (2, *shape)).astype(np.float32)
        np.testing.assert_allclose(load_keras(tmp_path / f"model.{ending}")(x), keras.ops.convert_to_numpy(model(x)), rtol=1e-4, atol=1e-4)


def test_inputs_of_whole_numbers_are_cut_before_they_are_sorted_into_bins(keras, tmp_path):
    model = keras.Sequential([keras.Input((3,), dtype="int64"), keras.layers.Discretization([-0.5, 1.5, 2.5])])
    model.save(tmp_path / "model.keras")
    x = np.float32([[2.9, -0.7, 1.6], [3, -1, 0]])
    np.testing.assert_array_equal(load_keras(tmp_path / "model.keras")(x), keras.ops.convert_to_numpy(model(x)))
