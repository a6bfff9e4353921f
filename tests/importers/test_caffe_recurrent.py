"""Caffe's LSTM and RNN against their formulas written out, for whole nets with random weights."""

from __future__ import annotations

import numpy as np
import pytest

from sparkdl.errors import UnsupportedError
from sparkdl.importers import load_caffe
from sparkdl.importers.caffe import wire
from sparkdl.importers.caffe.message import Message

T, N, D, H = 5, 3, 4, 6
INPUTS = f"""
layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ dim: {T} dim: {N} dim: {D} }} }} }}
layer {{ name: "cont" type: "Input" top: "cont" input_param {{ shape {{ dim: {T} dim: {N} }} }} }}
layer {{ name: "s" type: "Input" top: "s" input_param {{ shape {{ dim: {N} dim: 2 }} }} }}
layer {{ name: "h0" type: "Input" top: "h0" input_param {{ shape {{ dim: 1 dim: {N} dim: {H} }} }} }}
layer {{ name: "c0" type: "Input" top: "c0" input_param {{ shape {{ dim: 1 dim: {N} dim: {H} }} }} }}
"""
PLAIN = """
layer {{ name: "r" type: "{0}" bottom: "x" bottom: "cont" top: "y" recurrent_param {{ num_output: 6 }} }}
layer {{ name: "ip" type: "InnerProduct" bottom: "y" top: "ip" inner_product_param {{ num_output: 2 axis: 2 }} }}
layer {{ name: "p" type: "Softmax" bottom: "ip" top: "p" softmax_param {{ axis: 2 }} }}
"""


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def naive_lstm(x, cont, w, b, u, static=0.0, h=None, c=None):
    h, c = np.zeros((N, H)) if h is None else h, np.zeros((N, H)) if c is None else c
    outputs = []
    for t in range(T):
        kept = cont[t][:, None]
        i, f, o, g = np.split(x[t] @ w.T + b + static + (kept * h) @ u.T, 4, axis=1)
        c = kept * sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs), h, c


def naive_rnn(x, cont, w, b, u, out, out_bias):
    h, outputs = np.zeros((N, H)), []
    for t in range(T):
        h = np.tanh(x[t] @ w.T + b + (cont[t][:, None] * h) @ u.T)
        outputs.append(np.tanh(h @ out.T + out_bias))
    return np.stack(outputs)


def load(folder, text, blobs):
    (folder / "net.prototxt").write_text(text)
    layers = [
        Message("LayerParameter", name=name, type="LSTM", blobs=[
            Message("BlobProto", data=[a.astype(np.float32).reshape(-1)], shape=Message("BlobShape", dim=list(a.shape))) for a in arrays
        ])
        for name, arrays in blobs.items()
    ]  # fmt: skip
    (folder / "net.caffemodel").write_bytes(wire.write(Message("NetParameter", layer=layers)))
    return load_caffe(folder / "net.prototxt", folder / "net.caffemodel")


@pytest.fixture
def draw():
    return np.random.default_rng(0).standard_normal


@pytest.fixture
def cont():
    flags = np.ones((T, N))
    flags[0], flags[3, 1], flags[2, 2] = 0, 0, 0
    return flags


def turned(x):
    """Batch first, as nets are fed here."""
    return np.swapaxes(x, 0, 1).astype(np.float32)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def test_an_lstm_with_restarts_and_layers_behind_it(tmp_path, draw, cont):
    x, w, b, u, ip, shift = draw((T, N, D)), draw((4 * H, D)), draw(4 * H), draw((4 * H, H)), draw((2, H)), draw(2)
    model = load(tmp_path, INPUTS + PLAIN.format("LSTM"), {"r": [w, b, u], "ip": [ip, shift]})
    y, _, _ = naive_lstm(x, cont, w, b, u)
    assert [node.name for node in model.inputs] == ["x", "cont"]
    np.testing.assert_allclose(model(turned(x), turned(cont)), turned(softmax(y @ ip.T + shift)), rtol=1e-4, atol=1e-6)


def test_an_rnn(tmp_path, draw, cont):
    x, w, b, u, out, shift = draw((T, N, D)), draw((H, D)), draw(H), draw((H, H)), draw((H, H)), draw(H)
    text = INPUTS + PLAIN.format("RNN").split("layer { name: \"ip\"")[0]
    model = load(tmp_path, text, {"r": [w, b, u, out, shift]})
    np.testing.assert_allclose(model(turned(x), turned(cont)), turned(naive_rnn(x, cont, w, b, u, out, shift)), rtol=1e-4, atol=1e-6)


def test_static_inputs_and_exposed_states(tmp_path, draw, cont):
    x, s, h, c = draw((T, N, D)), draw((N, 2)), draw((N, H)), draw((N, H))
    w, b, ws, u = draw((4 * H, D)), draw(4 * H), draw((4 * H, 2)), draw((4 * H, H))
    text = INPUTS + 'layer { name: "r" type: "LSTM" bottom: "x" bottom: "cont" bottom: "s" bottom: "h0" bottom: "c0" top: "y" top: "hT" top: "cT"'
    model = load(tmp_path, text + " recurrent_param { num_output: 6 expose_hidden: true } }", {"r": [w, b, ws, u]})
    cont[0] = 1
    y, last, cell = naive_lstm(x, cont, w, b, u, s @ ws.T, h, c)
    made = model(turned(x), turned(cont), s.astype(np.float32), h[:, None].astype(np.float32), c[:, None].astype(np.float32))
    for ours, reference in zip(made, (turned(y), last[:, None], cell[:, None]), strict=True):
        np.testing.assert_allclose(ours, reference, rtol=1e-4, atol=1e-5)


def test_layers_that_do_not_know_time_are_refused(tmp_path):
    text = INPUTS + PLAIN.format("LSTM").replace('type: "Softmax"', 'type: "BatchNorm"')
    (tmp_path / "net.prototxt").write_text(text)
    with pytest.raises(UnsupportedError, match="'p' .BatchNorm. reads 'ip', which has time in front"):
        load_caffe(tmp_path / "net.prototxt")


def test_an_axis_that_is_the_batch_of_a_time_major_blob_is_refused(tmp_path):
    (tmp_path / "net.prototxt").write_text(INPUTS + PLAIN.format("LSTM").replace("axis: 2 }", "axis: 1 }", 1))
    with pytest.raises(UnsupportedError, match="axis 1, which is the batch"):
        load_caffe(tmp_path / "net.prototxt")


FRAMES = f"""
layer {{ name: "frames" type: "Input" top: "frames" input_param {{ shape {{ dim: {T * N} dim: 2 dim: 2 }} }} }}
layer {{ name: "cont" type: "Input" top: "marks" input_param {{ shape {{ dim: {T * N} }} }} }}
layer {{ name: "relu" type: "ReLU" bottom: "frames" top: "frames" }}
layer {{ name: "x" type: "Reshape" bottom: "frames" top: "x" reshape_param {{ shape {{ dim: {T} dim: {N} dim: 4 }} }} }}
layer {{ name: "turn" type: "Reshape" bottom: "marks" top: "cont" reshape_param {{ shape {{ dim: {T} dim: {N} }} }} }}
"""


def test_frames_that_a_reshape_makes_to_sequences(tmp_path, draw, cont):
    """As in long-term recurrent convolutional nets: all first frames stand in front, then all second ones."""
    x, w, b, u, ip, shift = draw((T, N, D)), draw((4 * H, D)), draw(4 * H), draw((4 * H, H)), draw((2, H)), draw(2)
    model = load(tmp_path, FRAMES + PLAIN.format("LSTM"), {"r": [w, b, u], "ip": [ip, shift]})
    y, _, _ = naive_lstm(x.clip(0), cont, w, b, u)
    frames, marks = x.reshape(T * N, 2, 2).astype(np.float32), cont.reshape(-1).astype(np.float32)
    wanted = turned(softmax(y @ ip.T + shift))
    np.testing.assert_allclose(model(frames, marks), wanted, rtol=1e-4, atol=1e-6)
    first = np.arange(T) * N  # the first clip alone
    np.testing.assert_allclose(model(frames[first], marks[first]), wanted[:1], rtol=1e-4, atol=1e-6)


def test_a_reshape_that_takes_samples_apart_is_refused(tmp_path):
    (tmp_path / "net.prototxt").write_text((FRAMES + PLAIN.format("LSTM")).replace(f"dim: {N} dim: 4", f"dim: {2 * N} dim: 2"))
    with pytest.raises(UnsupportedError, match="'x' .Reshape. .* takes samples of 4 numbers apart"):
        load_caffe(tmp_path / "net.prototxt")
