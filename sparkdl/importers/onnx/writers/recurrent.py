"""Recurrent layers."""

from __future__ import annotations

import numpy as np

from sparkdl.errors import UnsupportedError
from sparkdl.importers.onnx.writers import writes

_ACTIVATIONS = {"tanh": "Tanh", "sigmoid": "Sigmoid", "relu": "Relu", "hard_sigmoid": "HardSigmoid", "softsign": "Softsign", "softplus": "Softplus"}


@writes("LSTM", "GRU", "RNN")
def _recurrent(w, use, x):
    p, kind = use.layer, type(use.layer).__name__
    simple = p.num_layers == 1 and not p.bidirectional and not p.return_state and len(x) == 1
    own = [p.nonlinearity] if kind == "RNN" else [p.recurrent_activation, p.activation] + ([p.activation] if kind == "LSTM" else [])
    if not simple or any(name not in _ACTIVATIONS for name in own):
        raise UnsupportedError(f"{use.name!r}: ONNX export takes one layer, one direction, no mask and no states.")
    n = p.hidden_size
    order = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2), "RNN": (0,)}[kind]  # ours: ifgo, rzn; ONNX: iofc, zrh

    def gates(a):
        return np.concatenate([a[i * n : (i + 1) * n] for i in order])[None]

    zero = np.zeros(len(order) * n, np.float32)
    biases = [p.bias_ih_l0.value, p.bias_hh_l0.value] if p.bias else [zero, zero]
    steps = w.node("Transpose", [x[0]], perm=[1, 0, 2])
    if p.go_backwards:
        steps = w.node("Slice", [steps, *(w.array([v], np.int64) for v in (-1, -(2**31), 0, -1))])
    more = {"linear_before_reset": int(p.reset_after)} if kind == "GRU" else {}
    inputs = [steps, w.array(gates(p.weight_ih_l0.value)), w.array(gates(p.weight_hh_l0.value)), w.array(np.concatenate([gates(b) for b in biases], axis=1))]
    made = w.node(kind, inputs, outputs=2, hidden_size=n, activations=[_ACTIVATIONS[name] for name in own], **more)
    if p.return_sequences:
        return w.node("Transpose", [w.node("Squeeze", [made[0], w.array([1], np.int64)])], perm=[1, 0, 2])
    return w.node("Squeeze", [made[1], w.array([0], np.int64)])
