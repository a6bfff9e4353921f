"""Recurrent layers."""

from __future__ import annotations

import numpy as np

from sparkdl.errors import UnsupportedError
from sparkdl.importers.keras.writers import writes
from sparkdl.importers.keras.writers.graph import Value


@writes("LSTM", "GRU", "RNN")
def _recurrent(w, use, x):
    p, kind = use.layer, type(use.layer).__name__
    if p.num_layers != 1 or p.bidirectional or p.return_state or len(x) != 1:
        raise UnsupportedError(f"{use.name!r}: one layer, one direction, no mask and no states are written.")
    n = p.hidden_size
    order = {"LSTM": (0, 1, 2, 3), "GRU": (1, 0, 2), "RNN": (0,)}[kind]
    rows = np.concatenate([np.arange(i * n, (i + 1) * n) for i in order])
    config = {"units": n, "use_bias": bool(p.bias), "return_sequences": bool(p.return_sequences), "go_backwards": bool(p.go_backwards)}
    names = {"hardsigmoid": "hard_sigmoid"}
    own = [p.nonlinearity] if kind == "RNN" else [p.activation, p.recurrent_activation]
    if kind == "LSTM" and own[0] == "hard_sigmoid":
        raise UnsupportedError(f"{use.name!r}: Keras 3 has another hard_sigmoid than Keras 2.")
    config.update(zip(("activation", "recurrent_activation"), (names.get(a, a) for a in own), strict=False))
    factors = _factors(kind, n, own)
    arrays = [(p.weight_ih_l0.value[rows] * factors[:, None]).T, (p.weight_hh_l0.value[rows] * factors[:, None]).T]
    if p.bias:
        first, second = p.bias_ih_l0.value[rows] * factors, p.bias_hh_l0.value[rows] * factors
        arrays.append(np.stack([first, second]) if kind == "GRU" and p.reset_after else first + second)
    if kind == "GRU":
        config["reset_after"] = bool(p.reset_after)
    made = w.add("SimpleRNN" if kind == "RNN" else kind, [x[0].plain], use.made[0], config, {"cell": arrays})
    return Value(w, plain=made)


def _factors(kind: str, n: int, own: list[str]) -> np.ndarray:
    """What each row of weights is multiplied by, so that Keras 3's hard_sigmoid, ``clip(x / 6 + 0.5, 0, 1)``, does what
    Keras 2's, ``clip(x / 5 + 0.5, 0, 1)``, did: 6 / 5 for the gates (and candidates) that it makes."""
    slope = [np.float32(1.2 if a == "hard_sigmoid" else 1) for a in own]
    gates = {"LSTM": (-1, -1, 0, -1), "GRU": (-1, -1, 0), "RNN": (0,)}[kind]  # which of its functions makes each
    return np.repeat([slope[i] for i in gates], n)
