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


class _Block(Module):
    """What both layers share: their arguments, self-attention, the two-layer net, and how parts are joined."""

    attentions: tuple[str, ...] = ("self_attn",)

    def __init__(
        self, d_model: int, nhead: int, dim_feedforward: int = 2048, dropout: float = 0.1, activation: str = "relu",
        layer_norm_eps: float = 1e-5, norm_first: bool = False, causal: bool = False, bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        _checked(self, d_model, dim_feedforward, dropout, activation)
        self._arguments = {
            "d_model": d_model, "nhead": nhead, "dim_feedforward": dim_feedforward, "dropout": dropout,
            "activation": activation, "layer_norm_eps": layer_norm_eps, "norm_first": norm_first, "causal": causal,
            "bias": bias,
        }  # fmt: skip
        self.norm_first = norm_first
        for name in self.attentions:
            itself = causal and name == "self_attn"
            setattr(self, name, MultiheadAttention(d_model, nhead, dropout, bias, causal=itself))
        self.linear1, self.linear2 = Linear(d_model, dim_feedforward, bias), Linear(dim_feedforward, d_model, bias)
        parts = range(1, len(self.attentions) + 2)
        for i in parts:
            setattr(self, f"norm{i}", LayerNorm(d_model, layer_norm_eps, bias=bias))
        for i in ("", *parts):
            setattr(self, f"dropout{i}", Dropout(dropout))
        self.activation = ACTIVATIONS[activation]()

    def config(self):
        return dict(self._arguments)

    def _joined(self, i, x, part):
        """``x`` and what ``part`` makes of it, normed by the i-th norm before or after."""
        norm, dropout = self[f"norm{i}"], self[f"dropout{i}"]
        return x + dropout(part(norm(x))) if self.norm_first else norm(x + dropout(part(x)))

    def _feed(self, x):
        return self.linear2(self.dropout(self.activation(self.linear1(x))))


class TransformerEncoderLayer(_Block):
    """``x = norm1(x + attention(x))``, ``x = norm2(x + feed_forward(x))``; with ``norm_first`` norms stand before.

    Shapes
    ------
    inputs  (batch, places, d_model), and a mask as MultiheadAttention takes it if wanted
    output  (batch, places, d_model)

    Source: Vaswani et al. (2017), section 3.1, in PyTorch's form and with its names of weights.
    """

    def forward(self, x, *mask):
        x = self._joined(1, x, lambda x: self.self_attn(x, *mask))
        return self._joined(2, x, self._feed)


class TransformerDecoderLayer(_Block):
    """Self-attention (causal by default), attention to ``memory``, feed-forward; each added to its input and normed.

    Shapes
    ------
    inputs  x (batch, places, d_model), memory (batch, keys, d_model), and a mask (batch, keys) of memory if wanted
    output  (batch, places, d_model)

    Source: Vaswani et al. (2017), section 3.1, in PyTorch's form and with its names of weights.
    """

    attentions = ("self_attn", "multihead_attn")

    def __init__(
        self, d_model: int, nhead: int, dim_feedforward: int = 2048, dropout: float = 0.1, activation: str = "relu",
        layer_norm_eps: float = 1e-5, norm_first: bool = False, causal: bool = True, bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, norm_first, causal, bias)

    def forward(self, x, memory, *mask):
        x = self._joined(1, x, self.self_attn)
        x = self._joined(2, x, lambda x: self.multihead_attn(x, memory, *mask))
        return self._joined(3, x, self._feed)


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
