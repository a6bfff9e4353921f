"""Embeddings and recurrent layers."""

import numpy as np

from sparkdl import nn
from tests.nn.case import Case
from tests.nn.naive_recurrent import gru_step, lstm_step, reference, rnn_step


def ids(stop, start=0):
    return lambda rng, shape: rng.integers(start, stop, shape)


def lengths(rng, shape):
    return rng.integers(0, 5, shape)


def holes(rng, shape):
    return rng.integers(0, 2, shape).astype(float)


def bag(layer, x, w=None):
    table, size = layer.weight.value, layer.embedding_dim
    y = np.zeros((len(x), size))
    for n, row in enumerate(x):
        places = [i for i, each in enumerate(row) if each >= 0 and each != layer.padding_idx]
        if not places:
            continue
        vectors = table[row[places].astype(int)]
        factors = np.ones(len(places)) if w is None else w[n, places]
        if layer.mode == "max":
            y[n] = vectors.max(0)
        else:
            divisor = {"sum": 1, "mean": factors.sum(), "sqrtn": np.sqrt((factors**2).sum())}[layer.mode]
            y[n] = (vectors * factors[:, None]).sum(0) / divisor
    return y


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def same_convolution(x, w, bias=0.0):
    """``x`` (in, *places) by ``w`` (out, in, *odd kernel), zeros around."""
    padded = np.pad(x, [(0, 0), *((k // 2, k // 2) for k in w.shape[2:])])
    y = np.zeros((len(w), *x.shape[1:])) + np.reshape(bias, (-1, *[1] * (x.ndim - 1)))
    for k in np.ndindex(w.shape[2:]):
        window = padded[(slice(None), *(slice(a, a + n) for a, n in zip(k, x.shape[1:], strict=True)))]
        y += np.tensordot(w[(slice(None), slice(None), *k)], window, axes=1)
    return y


def conv_lstm(layer, x, *others):
    w = layer.state_dict()
    states = [o for o in others if o.ndim > 2]
    mask = next((o for o in others if o.ndim < 3), np.ones(x.shape[:2]))
    mask = np.arange(x.shape[1]) < mask[:, None] if mask.ndim == 1 else mask
    mask = mask[:, ::-1] if layer.go_backwards else mask
    peep = w.get("weight_ch", np.zeros((3, layer.hidden_channels)))
    peep = peep.reshape(3, -1, *[1] * layer.rank)
    x = x[:, ::-1] if layer.go_backwards else x
    ys, ends = [], []
    for n in range(len(x)):
        zero = np.zeros((layer.hidden_channels, *x.shape[3:]))
        h, c = (s[n] for s in states) if states else (zero, zero)
        outputs = []
        for t in range(x.shape[1]):
            if not mask[n, t]:
                outputs.append(0 * h if layer.zero_output_for_mask else h)
                continue
            gates = same_convolution(x[n, t], w["weight_ih"], w.get("bias", 0.0)) + same_convolution(h, w["weight_hh"])
            i, f, g, o = np.split(gates, 4)
            new = sigmoid(f + peep[1] * c) * c + sigmoid(i + peep[0] * c) * np.tanh(g)
            h, c = sigmoid(o + peep[2] * new) * np.tanh(new), new
            outputs.append(h)
        ys.append(outputs if layer.return_sequences else h)
        ends.append((h, c))
    return [np.array(ys), *(np.array(end) for end in zip(*ends, strict=True))] if layer.return_state else np.array(ys)


TREES = np.array(
    [
        [[1, 2, -1], [-1, -1, 0], [3, 4, -1], [-1, -1, 2], [-1, -1, 1]],
        [[-1, -1, 1], [-1, -1, 1], [0, 1, -1], [-1, -1, -1], [-1, -1, -1]],
        [[-1, -1, 2], [-1, -1, -1], [-1, -1, -1], [-1, -1, -1], [-1, -1, -1]],
    ]
)


def trees(rng, shape):
    return np.resize(TREES, shape)


def tree_lstm(layer, x, tree):
    w = layer.state_dict()

    def node(n, k):
        left, right, word = tree[n, k]
        if left < 0:
            c, o = np.split(w["weight_leaf"] @ x[n, word] + w["bias_leaf"], 2)
            return sigmoid(o) * np.tanh(c), c
        (hl, cl), (hr, cr) = node(n, left), node(n, right)
        i, fl, fr, g, o = np.split(w["weight_left"] @ hl + w["weight_right"] @ hr + w["bias"], 5)
        c = sigmoid(i) * np.tanh(g) + sigmoid(fl) * cl + sigmoid(fr) * cr
        return sigmoid(o) * np.tanh(c), c

    y = np.zeros((*tree.shape[:2], layer.hidden_size))
    for n, k in np.ndindex(tree.shape[:2]):
        if (tree[n, k] >= 0).any():
            y[n, k] = node(n, k)[0]
    return y


def positive(rng, shape):
    return rng.uniform(0.5, 2, shape)


def Wrapped(torch, name, options):
    """PyTorch's layer with its states batch first, under the layer's own names."""
    base = getattr(torch.nn, name)

    class Batched(base):
        def forward(self, x, *states):
            states = tuple(s.transpose(0, 1).contiguous() for s in states)
            y, ends = super().forward(x, *([] if not states else [states if len(states) > 1 else states[0]]))
            return [y, *(s.transpose(0, 1) for s in (ends if isinstance(ends, tuple) else (ends,)))]

    return Batched(batch_first=True, **options)


SIZES = {"input_size": 3, "hidden_size": 4}
rnn, lstm, gru = reference(rnn_step), reference(lstm_step), reference(gru_step)
BAD = [
    ((2, 3), r"takes \(batch, steps, 3\)"),
    ((2, 5, 4), r"takes \(batch, steps, 3\)"),
    (((2, 5, 3), (2, 4)), r"one mask \(2, 5\) or lengths"),
    (((2, 5, 3), (2, 1, 5)), r"states \(2, 1, 4\)"),
]
REFUSED = [
    (lambda: nn.LSTM(0, 4), "input_size must be a whole number >= 1"),
    (lambda: nn.LSTM(3, 4, merge_mode="max"), "merge_mode is one of"),
    (lambda: nn.LSTM(3, 4, activation="swish"), "activations are linear, tanh"),
    (lambda: nn.LSTM(3, 4, dropout=1), "dropout lies in"),
]
TWO = {"num_layers": 2, "bidirectional": True, "return_state": True}

CASES = {
    "Embedding": Case(
        lambda: nn.Embedding(7, 3),
        (4, 2),
        lambda layer, x: layer.weight.value[x],
        torch=lambda torch: torch.nn.Embedding(7, 3),
        inputs=ids(7),
        refused=[
            (lambda: nn.Embedding(0, 3), "num_embeddings must be"),
            (lambda: nn.Embedding(3, 2, padding_idx=3), "padding_idx"),
        ],
    ),
    "Embedding padded": Case(
        lambda: nn.Embedding(7, 3, padding_idx=-2),
        (5,),
        lambda layer, x: layer.weight.value[x],
        torch=lambda torch: torch.nn.Embedding(7, 3, padding_idx=-2),
        inputs=ids(5),  # not the padding, whose gradient is none by definition
    ),
    **{
        f"EmbeddingBag {mode}": Case(
            lambda mode=mode: nn.EmbeddingBag(7, 3, mode=mode, padding_idx=2),
            (5, 4),
            bag,
            torch=None if mode == "sqrtn" else lambda torch, m=mode: torch.nn.EmbeddingBag(7, 3, mode=m, padding_idx=2),
            inputs=ids(7),
            bad=[((3,), "takes ids")],
            refused=[(lambda: nn.EmbeddingBag(4, 3, mode="min"), "mode is one of")],
        )
        for mode in ("sum", "mean", "sqrtn", "max")
    },
    **{
        f"EmbeddingBag {mode} weighted": Case(
            lambda mode=mode: nn.EmbeddingBag(7, 3, mode=mode),
            ((5, 4), (5, 4)),
            bag,
            inputs=[ids(7, start=-2), positive],
        )
        for mode in ("sum", "mean", "sqrtn")
    },
    "RNN": Case(lambda: nn.RNN(**SIZES), (5, 6, 3), rnn, bad=BAD),
    "RNN stacked": Case(
        lambda: nn.RNN(**SIZES, **TWO, nonlinearity="relu"),
        ((5, 6, 3), (5, 4, 4)),
        rnn,
        torch=lambda torch: Wrapped(
            torch, "RNN", {**SIZES, "num_layers": 2, "bidirectional": True, "nonlinearity": "relu"}
        ),
    ),
    "LSTM": Case(lambda: nn.LSTM(**SIZES), (5, 6, 3), lstm, bad=BAD[:3], refused=REFUSED),
    "LSTM stacked": Case(
        lambda: nn.LSTM(**SIZES, **TWO),
        ((5, 6, 3), (5, 4, 4), (5, 4, 4)),
        lstm,
        torch=lambda torch: Wrapped(torch, "LSTM", {**SIZES, "num_layers": 2, "bidirectional": True}),
    ),
    "LSTM masked": Case(
        lambda: nn.LSTM(**SIZES, bidirectional=True, merge_mode="mul", return_state=True, bias=False),
        ((5, 6, 3), (5, 6), (5, 2, 4), (5, 2, 4)),
        lstm,
        inputs=[None, holes, None, None],
    ),
    "LSTM lengths": Case(
        lambda: nn.LSTM(**SIZES, num_layers=2, zero_output_for_mask=True, return_state=True),
        ((5, 6, 3), (5,)),
        lstm,
        inputs=[None, lengths],
    ),
    "LSTM last step of both directions": Case(
        lambda: nn.LSTM(**SIZES, bidirectional=True, merge_mode=None, return_sequences=False, return_state=True),
        (5, 6, 3),
        lstm,
    ),
    "LSTM of Keras 1": Case(
        lambda: nn.LSTM(**SIZES, go_backwards=True, recurrent_activation="hard_sigmoid", activation="softsign"),
        ((5, 6, 3), (5, 6)),
        lstm,
        inputs=[None, holes],
    ),
    "LSTM with dropout": Case(lambda: nn.LSTM(**SIZES, num_layers=2, dropout=0.4), (5, 6, 3), lstm, training=None),
    "LSTM products of directions": Case(
        lambda: nn.LSTM(**SIZES, num_layers=2, bidirectional=True, merge_mode="mul", return_sequences=False),
        (5, 6, 3),
        lstm,
    ),
    "LSTMPeephole": Case(
        lambda: nn.LSTMPeephole(**SIZES, bidirectional=True, merge_mode="sum"),
        ((5, 6, 3), (5, 6)),
        lstm,
        inputs=[None, holes],
        bad=BAD[:2],
    ),
    "ConvLSTM2d": Case(
        lambda: nn.ConvLSTM2d(2, 3, 3),
        (3, 4, 2, 4, 5),
        conv_lstm,
        bad=[((2, 3, 4, 4), "takes"), (((2, 3, 2, 4, 4), (2, 3, 4, 4)), "takes two states")],
        refused=[(lambda: nn.ConvLSTM2d(2, 3, 2), "odd sizes"), (lambda: nn.ConvLSTM2d(0, 3, 3), "channels must be")],
    ),
    "ConvLSTM2d peephole": Case(
        lambda: nn.ConvLSTM2d(
            2, 3, (1, 3), peephole=True, bias=False, return_sequences=False, return_state=True, go_backwards=True
        ),
        ((3, 4, 2, 4, 5), (3, 3, 4, 5), (3, 3, 4, 5)),
        conv_lstm,
    ),
    "ConvLSTM1d": Case(lambda: nn.ConvLSTM1d(2, 3, 3, peephole=True, return_state=True), (3, 4, 2, 5), conv_lstm),
    "ConvLSTM3d": Case(
        lambda: nn.ConvLSTM3d(1, 2, 3, peephole=True, return_state=True), (2, 3, 1, 3, 2, 3), conv_lstm, tolerance=2e-5
    ),
    "ConvLSTM2d with a mask": Case(
        lambda: nn.ConvLSTM2d(2, 3, 3, peephole=True),
        ((4, 5, 2, 4, 3), (4, 5)),
        conv_lstm,
        inputs=[None, holes],
        bad=[(((2, 3, 2, 4, 4), (2, 4)), r"one mask \(2, 3\) or lengths"), (((2, 3, 2, 4, 4), (2, 2)), "one mask")],
    ),
    "ConvLSTM2d, lengths and states": Case(
        lambda: nn.ConvLSTM2d(2, 3, 3, return_state=True, zero_output_for_mask=True, go_backwards=True),
        ((4, 5, 2, 4, 3), (4, 3, 4, 3), (4,), (4, 3, 4, 3)),
        conv_lstm,
        inputs=[None, None, lengths, None],
    ),
    "ConvLSTM1d, last step of some": Case(
        lambda: nn.ConvLSTM1d(2, 3, 3, return_sequences=False), ((4, 5, 2, 4), (4,)), conv_lstm, inputs=[None, lengths]
    ),
    "BinaryTreeLSTM": Case(
        lambda: nn.BinaryTreeLSTM(3, 4),
        ((3, 3, 3), (3, 5, 3)),
        tree_lstm,
        inputs=[None, trees],
        bad=[(((2, 3, 3), (2, 5, 2)), "a tree")],
        refused=[(lambda: nn.BinaryTreeLSTM(0, 3), "input_size must be")],
    ),
    "GRU": Case(lambda: nn.GRU(**SIZES), (5, 6, 3), gru, bad=BAD),
    "GRU stacked": Case(
        lambda: nn.GRU(**SIZES, **TWO),
        ((5, 6, 3), (5, 4, 4)),
        gru,
        torch=lambda torch: Wrapped(torch, "GRU", {**SIZES, "num_layers": 2, "bidirectional": True}),
    ),
    "GRU masked": Case(
        lambda: nn.GRU(**SIZES, bidirectional=True, merge_mode="ave", return_state=True),
        ((5, 6, 3), (5, 6), (5, 2, 4)),
        gru,
        inputs=[None, holes, None],
    ),
    "GRU reset before": Case(
        lambda: nn.GRU(**SIZES, num_layers=2, reset_after=False, recurrent_activation="hardsigmoid", return_state=True),
        ((5, 6, 3), (5,), (5, 2, 4)),
        gru,
        inputs=[None, lengths, None],
    ),
    "GRU without bias": Case(
        lambda: nn.GRU(**SIZES, bias=False, return_sequences=False, reset_after=False), (5, 6, 3), gru
    ),
    **{
        f"RNN {name}": Case(lambda n=name: nn.RNN(**SIZES, nonlinearity=n), (3, 3, 3), rnn)
        for name in ("linear", "sigmoid", "hard_sigmoid", "hardsigmoid", "softsign", "softplus", "elu", "exponential")
    },
}
