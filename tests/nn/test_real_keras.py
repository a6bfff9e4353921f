"""Layers that PyTorch lacks or defines otherwise, beside real Keras: outputs, and gradients of inputs and weights.

A row is a model of Keras, which the importer makes into our layers with the same weights. Weights may lie in another
order here, so of their gradients the sorted sizes are compared.
"""

from __future__ import annotations

import os

import numpy as np
import pytest

from sparkdl.importers import load_keras

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # nets this small only wait for more
    yield pytest.importorskip("keras")
    torch.set_num_threads(threads)


SEQUENCE, PICTURE, VOLUME, VECTOR, FILM = (6, 4), (6, 7, 4), (4, 6, 5, 2), (5,), (3, 5, 6, 2)
RANDOM = "in eval mode only"  # training draws


def both(L, merge, cell="GRU"):
    return L.Bidirectional(getattr(L, cell)(3, return_sequences=True), merge_mode=merge)


CASES = {
    "ConvLSTM1D": ((3, 6, 2), lambda L: L.ConvLSTM1D(3, 3, padding="same", return_sequences=True)),
    "ConvLSTM2D": (FILM, lambda L: L.ConvLSTM2D(3, 3, padding="same", return_sequences=True)),
    "ConvLSTM2D, last step, strides": (FILM, lambda L: L.ConvLSTM2D(3, (1, 3), strides=(1, 2), padding="valid")),
    "ConvLSTM2D, hard sigmoid, backwards": (
        FILM, lambda L: L.ConvLSTM2D(2, 3, padding="same", recurrent_activation="hard_sigmoid", go_backwards=True)
    ),
    "ConvLSTM3D": ((2, 3, 4, 3, 2), lambda L: L.ConvLSTM3D(2, (1, 3, 3), padding="same", return_sequences=True)),
    "SeparableConv1D": (SEQUENCE, lambda L: L.SeparableConv1D(3, 3, strides=2, padding="same", depth_multiplier=2)),
    "SeparableConv2D": (PICTURE, lambda L: L.SeparableConv2D(3, (3, 2), depth_multiplier=2, dilation_rate=2)),
    "DepthwiseConv1D": (SEQUENCE, lambda L: L.DepthwiseConv1D(2, depth_multiplier=3)),
    "DepthwiseConv2D": (PICTURE, lambda L: L.DepthwiseConv2D(3, padding="same", depth_multiplier=2)),
    "Conv1D, causal": (SEQUENCE, lambda L: L.Conv1D(3, 3, padding="causal", dilation_rate=2)),
    "Conv2D, same, even": (PICTURE, lambda L: L.Conv2D(3, (4, 2), strides=2, padding="same")),
    "Conv2D, groups": (PICTURE, lambda L: L.Conv2D(6, 3, groups=2, dilation_rate=2)),
    "Conv3D": (VOLUME, lambda L: L.Conv3D(2, (1, 3, 2), padding="same")),
    "Conv1DTranspose": (SEQUENCE, lambda L: L.Conv1DTranspose(3, 4, strides=2, padding="same")),
    "Conv2DTranspose": (PICTURE, lambda L: L.Conv2DTranspose(3, (3, 2), strides=(2, 1), padding="valid")),
    "GRU, reset after": (SEQUENCE, lambda L: L.GRU(3, return_sequences=True)),
    "GRU, reset before": (SEQUENCE, lambda L: L.GRU(3, reset_after=False, return_sequences=True)),
    "GRU, backwards, hard sigmoid": (
        SEQUENCE, lambda L: L.GRU(3, recurrent_activation="hard_sigmoid", go_backwards=True)
    ),
    "LSTM": (SEQUENCE, lambda L: L.LSTM(3)),
    "LSTM, softsign and hard sigmoid": (
        SEQUENCE, lambda L: L.LSTM(3, "softsign", "hard_sigmoid", return_sequences=True, go_backwards=True)
    ),
    "SimpleRNN": (SEQUENCE, lambda L: L.SimpleRNN(3, "relu", return_sequences=True)),
    "both ways, concat": (SEQUENCE, lambda L: both(L, "concat")),
    "both ways, sum": (SEQUENCE, lambda L: both(L, "sum", "LSTM")),
    "both ways, mul": (SEQUENCE, lambda L: both(L, "mul")),
    "both ways, ave": (SEQUENCE, lambda L: both(L, "ave", "SimpleRNN")),
    "masked LSTM": (SEQUENCE, lambda L: L.Masking(), lambda L: L.LSTM(3, return_sequences=True)),
    "masked GRU, reset before": (SEQUENCE, lambda L: L.Masking(), lambda L: L.GRU(3, reset_after=False)),
    "masked, both ways": (SEQUENCE, lambda L: L.Masking(), lambda L: both(L, "concat", "LSTM")),
    "masked frames": (
        (3, 60),
        lambda L: L.Masking(),
        lambda L: L.TimeDistributed(L.Reshape((5, 6, 2))),
        lambda L: L.ConvLSTM2D(3, 3, padding="same", return_sequences=True),
        lambda L: L.ConvLSTM2D(2, 3),
    ),
    "masked frames, both ways": (
        (3, 60),
        lambda L: L.Masking(),
        lambda L: L.TimeDistributed(L.Reshape((5, 6, 2))),
        lambda L: L.Bidirectional(L.ConvLSTM2D(2, 3, padding="same", return_sequences=True), merge_mode="sum"),
    ),
    "masked places": (FILM, lambda L: L.Masking(), lambda L: L.ConvLSTM2D(3, 3, padding="same", return_sequences=True)),
    "masked places, backwards": (
        (3, 6, 2), lambda L: L.Masking(), lambda L: L.ConvLSTM1D(3, 3, padding="same", go_backwards=True)
    ),
    "masked mean": (SEQUENCE, lambda L: L.Masking(), lambda L: L.GlobalAveragePooling1D()),
    "TimeDistributed": ((3, 5, 6, 2), lambda L: L.TimeDistributed(L.Conv2D(3, 2))),
    "RepeatVector, Permute": (VECTOR, lambda L: L.RepeatVector(3), lambda L: L.Permute((2, 1))),
    "Cropping1D": (SEQUENCE, lambda L: L.Cropping1D((2, 1))),
    "Cropping2D": (PICTURE, lambda L: L.Cropping2D(((1, 2), (0, 3)))),
    "Cropping3D": (VOLUME, lambda L: L.Cropping3D(((1, 0), (0, 2), (1, 1)))),
    "ZeroPadding3D": (VOLUME, lambda L: L.ZeroPadding3D(((1, 0), (0, 2), (1, 1)))),
    "UpSampling1D": (SEQUENCE, lambda L: L.UpSampling1D(3)),
    "UpSampling2D": (PICTURE, lambda L: L.UpSampling2D((2, 3))),
    "UpSampling2D, bilinear": (PICTURE, lambda L: L.UpSampling2D(2, interpolation="bilinear")),
    "UpSampling3D": (VOLUME, lambda L: L.UpSampling3D((1, 2, 2))),
    "MaxPooling1D, same": (SEQUENCE, lambda L: L.MaxPooling1D(3, 2, padding="same")),
    "MaxPooling3D": (VOLUME, lambda L: L.MaxPooling3D(2)),
    "GlobalMaxPooling3D": (VOLUME, lambda L: L.GlobalMaxPooling3D()),
    "AdaptiveMaxPooling2D": (PICTURE, lambda L: L.AdaptiveMaxPooling2D((3, 2))),
    "UnitNormalization": (SEQUENCE, lambda L: L.UnitNormalization()),
    "LayerNormalization": (PICTURE, lambda L: L.LayerNormalization(axis=[1, 3])),
    "RMSNormalization": (SEQUENCE, lambda L: L.RMSNormalization()),
    "GroupNormalization": (PICTURE, lambda L: L.GroupNormalization(2)),
    "BatchNormalization": (PICTURE, lambda L: L.BatchNormalization(), RANDOM),
    "ELU": (VECTOR, lambda L: L.ELU(0.3)),
    "PReLU": (PICTURE, lambda L: L.PReLU(shared_axes=[1, 2])),
    "PReLU of places": (SEQUENCE, lambda L: L.PReLU()),
    "ReLU, thresholded": (VECTOR, lambda L: L.ReLU(threshold=0.4)),
    "ReLU, capped and leaking": (VECTOR, lambda L: L.ReLU(1.0, 0.1, 0.3)),
    "LeakyReLU": (VECTOR, lambda L: L.LeakyReLU(0.2)),
    "Softmax over two axes": (SEQUENCE, lambda L: L.Softmax((1, 2))),
    "EinsumDense": (SEQUENCE, lambda L: L.EinsumDense("abc,cd->abd", (6, 3), bias_axes="d")),
    "ActivityRegularization": (VECTOR, lambda L: L.ActivityRegularization(0.1), RANDOM),
    **{
        f"{name}, evaluated": (shape, lambda L, name=name: getattr(L, name)(0.3), RANDOM)
        for name, shape in (
            ("SpatialDropout1D", SEQUENCE), ("SpatialDropout2D", PICTURE), ("SpatialDropout3D", VOLUME),
            ("GaussianNoise", VECTOR), ("GaussianDropout", VECTOR), ("AlphaDropout", VECTOR), ("Dropout", VECTOR),
        )
    },
    **{
        f"activation {name}": (SEQUENCE, lambda L, name=name: L.Activation(name))
        for name in (
            "hard_sigmoid exponential softsign softplus selu celu elu mish gelu silu hard_silu hard_tanh hard_shrink"
            " soft_shrink tanh_shrink log_sigmoid log_softmax relu6 squareplus sparse_plus sparsemax glu"
        ).split()
    },
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_real_keras_agrees_forward_and_backward(keras, tmp_path, name):
    import torch

    shape, *makes = CASES[name]
    makes, random = [make for make in makes if make is not RANDOM], RANDOM in makes
    draw = np.random.default_rng(len(name))
    x = y = keras.Input(shape)
    for make in makes:
        y = make(keras.layers)(y)
    model = keras.Model(x, y)
    for variable in model.variables:
        if variable.dtype == "float32":
            low = 0.3 if "variance" in variable.path else -0.8
            variable.assign(draw.uniform(low, 0.8, variable.shape).astype(np.float32))
    given = draw.normal(size=(3, *shape)).astype(np.float32)
    if "mask" in name:
        given[0, -2:] = given[:, 2] = 0
    model.save(tmp_path / "model.keras")
    ours = load_keras(tmp_path / "model.keras")
    put = torch.from_numpy(given.copy()).requires_grad_()
    wanted = model(put, training=False)
    made = ours.eval()(given)
    close(made, wanted.detach().numpy())
    if random:
        return
    ours.train()
    for parameter in ours.parameters():
        parameter.trainable = True
    made = ours(given)
    close(made, wanted.detach().numpy())
    dy = draw.normal(size=made.shape).astype(np.float32)
    dx = ours.backward(dy)
    wanted.backward(torch.from_numpy(dy))
    close(dx, put.grad.numpy())
    theirs = np.concatenate([[0], *(v.value.grad.numpy().ravel() for v in model.trainable_variables)])
    found = np.concatenate([[0], *(p.gradient.ravel() for p in ours.parameters())])
    if theirs.size == found.size:
        close(np.sort(np.abs(found)), np.sort(np.abs(theirs)))
    else:
        assert any(kind in name for kind in ("RNN", "GRU", "LSTM", "both ways", "PReLU")), "weights have other shapes"


def test_average_pooling_of_a_same_size_divides_by_the_values_inside(keras, tmp_path):
    """As with TensorFlow; Keras on PyTorch repeats the border instead, so PyTorch computes the quotient here."""
    import torch

    pad, pool = torch.nn.functional.pad, torch.nn.functional.avg_pool2d
    x = keras.Input(PICTURE)
    keras.Model(x, keras.layers.AveragePooling2D((3, 2), 2, padding="same")(x)).save(tmp_path / "model.keras")
    ours = load_keras(tmp_path / "model.keras").train()
    given = np.random.default_rng(0).normal(size=(3, *PICTURE)).astype(np.float32)
    put = torch.from_numpy(given.copy()).requires_grad_()
    moved = put.permute(0, 3, 1, 2)  # 6 x 7 places lack a row and a column, at the end
    wanted = pool(pad(moved, (0, 1, 0, 1)), (3, 2), 2) / pool(pad(torch.ones_like(moved), (0, 1, 0, 1)), (3, 2), 2)
    wanted = wanted.permute(0, 2, 3, 1)
    made = ours(given)
    close(made, wanted.detach().numpy())
    dy = np.random.default_rng(1).normal(size=made.shape).astype(np.float32)
    wanted.backward(torch.from_numpy(dy))
    close(ours.backward(dy), put.grad.numpy())


def close(a, b):
    assert a.shape == b.shape
    assert np.abs(a - b).max(initial=0) <= 2e-5 * max(np.abs(b).max(initial=0), 1)
