"""Blocks of attention and of a two-layer net at each place."""

from __future__ import annotations

import copy

from sparkdl.nn.layers.attention import MultiheadAttention
from sparkdl.nn.layers.dropout import Dropout
from sparkdl.nn.layers.linear import Linear
from sparkdl.nn.layers.norm import LayerNorm
from sparkdl.nn.layers.relu import ReLU
from sparkdl.nn.layers.sigmoid import GELU
from sparkdl.nn.module import Module
from sparkdl.nn.sequential import ModuleList

ACTIVATIONS = {"relu": ReLU, "gelu": GELU}


class FeedForward(Module):
    """``linear2(dropout(activation(linear1(x))))`` at each place.

    Shapes
    ------
    input, output  (batch, *, d_model)

    Source: Vaswani et al. (2017), section 3.3.
    """

    def __init__(
        self, d_model: int, dim_feedforward: int = 2048, dropout: float = 0.1, activation: str = "relu"
    ) -> None:
        super().__init__()
        self.d_model, self.dim_feedforward, self.dropout_p, self.activation_name = _checked(
            self, d_model, dim_feedforward, dropout, activation
        )
        self.linear1, self.linear2 = Linear(d_model, dim_feedforward), Linear(dim_feedforward, d_model)
        self.dropout, self.activation = Dropout(dropout), ACTIVATIONS[activation]()

    def config(self):
        return {
            "d_model": self.d_model, "dim_feedforward": self.dim_feedforward, "dropout": self.dropout_p,
            "activation": self.activation_name,
        }  # fmt: skip

    def forward(self, x):
        return self.linear2(self.dropout(self.activation(self.linear1(x))))


class TransformerEncoderLayer(Module):
    """``x = norm1(x + attention(x))``, ``x = norm2(x + feed_forward(x))``; with ``norm_first`` norms stand before.

    Shapes
    ------
    inputs  (batch, places, d_model), and a mask as MultiheadAttention takes it if wanted
    output  (batch, places, d_model)

    Source: Vaswani et al. (2017), section 3.1, in PyTorch's form and with its names of weights.
    """

    def __init__(
        self, d_model: int, nhead: int, dim_feedforward: int = 2048, dropout: float = 0.1, activation: str = "relu",
        layer_norm_eps: float = 1e-5, norm_first: bool = False, causal: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        _checked(self, d_model, dim_feedforward, dropout, activation)
        self._arguments = {
            "d_model": d_model, "nhead": nhead, "dim_feedforward": dim_feedforward, "dropout": dropout,
            "activation": activation, "layer_norm_eps": layer_norm_eps, "norm_first": norm_first, "causal": causal,
        }  # fmt: skip
        self.norm_first = norm_first
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, causal=causal)
        self.linear1, self.linear2 = Linear(d_model, dim_feedforward), Linear(dim_feedforward, d_model)
        self.norm1, self.norm2 = LayerNorm(d_model, layer_norm_eps), LayerNorm(d_model, layer_norm_eps)
        self.dropout, self.dropout1, self.dropout2 = Dropout(dropout), Dropout(dropout), Dropout(dropout)
        self.activation = ACTIVATIONS[activation]()

    def config(self):
        return dict(self._arguments)

    def forward(self, x, *mask):
        if self.norm_first:
            x = x + self.dropout1(self.self_attn(self.norm1(x), *mask))
            return x + self.dropout2(self._feed(self.norm2(x)))
        x = self.norm1(x + self.dropout1(self.self_attn(x, *mask)))
        return self.norm2(x + self.dropout2(self._feed(x)))

    def _feed(self, x):
        return self.linear2(self.dropout(self.activation(self.linear1(x))))


class TransformerDecoderLayer(Module):
    """Self-attention (causal by default), attention to ``memory``, feed-forward; each added to its input and normed.

    Shapes
    ------
    inputs  x (batch, places, d_model), memory (batch, keys, d_model), and a mask (batch, keys) of memory if wanted
    output  (batch, places, d_model)

    Source: Vaswani et al. (2017), section 3.1, in PyTorch's form and with its names of weights.
    """

    def __init__(
        self, d_model: int, nhead: int, dim_feedforward: int = 2048, dropout: float = 0.1, activation: str = "relu",
        layer_norm_eps: float = 1e-5, norm_first: bool = False, causal: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        _checked(self, d_model, dim_feedforward, dropout, activation)
        self._arguments = {
            "d_model": d_model, "nhead": nhead, "dim_feedforward": dim_feedforward, "dropout": dropout,
            "activation": activation, "layer_norm_eps": layer_norm_eps, "norm_first": norm_first, "causal": causal,
        }  # fmt: skip
        self.norm_first = norm_first
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, causal=causal)
        self.multihead_attn = MultiheadAttention(d_model, nhead, dropout)
        self.linear1, self.linear2 = Linear(d_model, dim_feedforward), Linear(dim_feedforward, d_model)
        self.norm1, self.norm2, self.norm3 = (LayerNorm(d_model, layer_norm_eps) for _ in range(3))
        self.dropout, self.dropout1, self.dropout2, self.dropout3 = (Dropout(dropout) for _ in range(4))
        self.activation = ACTIVATIONS[activation]()

    def config(self):
        return dict(self._arguments)

    def forward(self, x, memory, *mask):
        if self.norm_first:
            x = x + self.dropout1(self.self_attn(self.norm1(x)))
            x = x + self.dropout2(self.multihead_attn(self.norm2(x), memory, *mask))
            return x + self.dropout3(self._feed(self.norm3(x)))
        x = self.norm1(x + self.dropout1(self.self_attn(x)))
        x = self.norm2(x + self.dropout2(self.multihead_attn(x, memory, *mask)))
        return self.norm3(x + self.dropout3(self._feed(x)))

    def _feed(self, x):
        return self.linear2(self.dropout(self.activation(self.linear1(x))))


class _Stack(Module):
    """Copies of one layer, one after another, and a norm at the end if wanted."""

    def __init__(self, layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        if not num_layers >= 1:
            raise ValueError(f"{type(self).__name__}: num_layers must be >= 1, got {num_layers!r}.")
        self.num_layers, self.norm = num_layers, norm
        if isinstance(layer, ModuleList):
            self.layers = layer
        else:
            self.layers = ModuleList(copy.deepcopy(layer) for _ in range(num_layers))

    def forward(self, x, *others):
        for layer in self.layers:
            x = layer(x, *others)
        return x if self.norm is None else self.norm(x)


class TransformerEncoder(_Stack):
    """``num_layers`` copies of ``encoder_layer``, and ``norm`` at the end if given.

    Shapes
    ------
    inputs  (batch, places, d_model), and a mask as MultiheadAttention takes it if wanted
    output  (batch, places, d_model)
    """

    def __init__(self, encoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__(encoder_layer, num_layers, norm)

    def config(self):
        return {"encoder_layer": self.layers, "num_layers": self.num_layers, "norm": self.norm}


class TransformerDecoder(_Stack):
    """``num_layers`` copies of ``decoder_layer``, all with the same memory, and ``norm`` at the end if given.

    Shapes
    ------
    inputs  x (batch, places, d_model), memory (batch, keys, d_model), and a mask (batch, keys) of memory if wanted
    output  (batch, places, d_model)
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__(decoder_layer, num_layers, norm)

    def config(self):
        return {"decoder_layer": self.layers, "num_layers": self.num_layers, "norm": self.norm}


def _checked(module, d_model, dim_feedforward, dropout, activation):
    if activation not in ACTIVATIONS:
        raise ValueError(f"{type(module).__name__}: activation is one of {tuple(ACTIVATIONS)}, got {activation!r}.")
    return d_model, dim_feedforward, dropout, activation
