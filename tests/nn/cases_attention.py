"""Attention and encodings of position."""

import numpy as np

from sparkdl import nn
from tests.nn.case import Case


def keys(rng, shape):
    """A mask that leaves some key to every query but those of the last sample, who may look at nothing."""
    mask = rng.integers(0, 2, shape).astype(float)
    mask[..., 0] = 1
    if len(mask) > 2:
        mask[-1] = 0
    return mask


def attend(q, k, v, heads, mask=None, causal=False, scale=None):
    """One head of one sample at a time; the outputs and the weights."""
    d, e = q.shape[2] // heads, v.shape[2] // heads
    scale = d**-0.5 if scale is None else scale
    y, p = np.zeros((*q.shape[:2], v.shape[2])), np.zeros((len(q), heads, q.shape[1], k.shape[1]))
    for n, h, i in np.ndindex(len(q), heads, q.shape[1]):
        allowed = np.ones(k.shape[1], bool)
        if mask is not None:
            wide = mask[:, None, None] if mask.ndim == 2 else mask
            allowed &= np.broadcast_to(wide, p.shape)[n, h, i] != 0
        if causal:
            allowed[i + 1 + k.shape[1] - q.shape[1] :] = False
        if allowed.any():
            scores = np.exp(k[n, allowed, h * d : (h + 1) * d] @ q[n, i, h * d : (h + 1) * d] * scale)
            p[n, h, i, allowed] = scores / scores.sum()
        y[n, i, h * e : (h + 1) * e] = p[n, h, i] @ v[n, :, h * e : (h + 1) * e]
    return y, p


def sorted_out(xs):
    mask = xs[-1] if len(xs) > 1 and xs[-1].ndim != 3 else None
    given = xs if mask is None else xs[:-1]
    return given[0], given[min(1, len(given) - 1)], given[-1], mask


def dot_product(layer, *xs):
    q, k, v, mask = sorted_out(xs)
    return attend(q, k, v, layer.num_heads, mask, layer.causal, layer.scale)[0]


def multihead(layer, *xs):
    *inputs, mask = sorted_out(xs)
    state = layer.state_dict()
    if "in_proj_weight" in state:
        weights = np.split(state["in_proj_weight"], 3)
    else:
        weights = [state[f"{name}_proj_weight"] for name in "qkv"]
    biases = np.split(state["in_proj_bias"], 3) if "in_proj_bias" in state else [0, 0, 0]
    mapped = [x @ w.T + b for x, w, b in zip(inputs, weights, biases, strict=True)]
    y, p = attend(*mapped, layer.num_heads, mask, layer.causal)
    y = y @ state["out_proj.weight"].T + state.get("out_proj.bias", 0)
    return (y, p.mean(1)) if layer.return_weights else y


def torch_attention(returns=True, causal=False, **options):
    def make(torch):
        class Batched(torch.nn.MultiheadAttention):
            def forward(self, q, k=None, v=None):
                k = q if k is None else k
                hidden = torch.triu(torch.ones(q.shape[1], k.shape[1], dtype=bool), 1) if causal else None
                y, p = super().forward(q, k, k if v is None else v, attn_mask=hidden)
                return [y, p] if returns else y

        return Batched(batch_first=True, **options)

    return make


def sinusoid(layer, x):
    p = np.zeros(x.shape[1:])
    for t, i in np.ndindex(p.shape):
        angle = t / 10000 ** ((i - i % 2) / x.shape[2])
        p[t, i] = np.cos(angle) if i % 2 else np.sin(angle)
    return x * layer.scale + p


CASES = {
    "ScaledDotProductAttention": Case(
        lambda: nn.ScaledDotProductAttention(),
        ((4, 3, 5), (4, 6, 5), (4, 6, 2)),
        dot_product,
        torch=lambda torch: torch.nn.functional.scaled_dot_product_attention,
        bad=[((2, 3), "takes 1 to 3 arrays"), (((2, 3, 4), (2, 3, 5)), "as many features")],
        refused=[(lambda: nn.ScaledDotProductAttention(dropout=1.5), "dropout must be a number in")],
    ),
    "ScaledDotProductAttention masked": Case(
        lambda: nn.ScaledDotProductAttention(num_heads=2, causal=True, scale=0.7),
        ((4, 5, 6), (4, 2, 5, 5)),
        dot_product,
        inputs=[None, keys],
    ),
    "ScaledDotProductAttention with dropout": Case(
        lambda: nn.ScaledDotProductAttention(num_heads=2, dropout=0.3), ((4, 5, 6),), dot_product, training=None
    ),
    "MultiheadAttention": Case(
        lambda: nn.MultiheadAttention(6, 2, return_weights=True),
        (4, 5, 6),
        multihead,
        torch=torch_attention(embed_dim=6, num_heads=2),
        bad=[((2, 3, 5), r"of \(6, 6, 6\) features"), (((2, 3, 6), (2, 4)), r"takes a mask \(2, 3\)")],
        refused=[(lambda: nn.MultiheadAttention(6, 4), "multiple of num_heads")],
    ),
    "MultiheadAttention causal": Case(
        lambda: nn.MultiheadAttention(6, 3, causal=True, bias=False),
        (4, 5, 6),
        multihead,
        torch=torch_attention(returns=False, causal=True, embed_dim=6, num_heads=3, bias=False),
    ),
    "MultiheadAttention of memory": Case(
        lambda: nn.MultiheadAttention(6, 2), ((4, 5, 6), (4, 7, 6), (4, 7)), multihead, inputs=[None, None, keys]
    ),
    "MultiheadAttention of other widths": Case(
        lambda: nn.MultiheadAttention(6, 2, kdim=3, vdim=5),
        ((4, 5, 6), (4, 7, 3), (4, 7, 5)),
        multihead,
        torch=torch_attention(returns=False, embed_dim=6, num_heads=2, kdim=3, vdim=5),
    ),
    "SinusoidalEncoding": Case(
        lambda: nn.SinusoidalEncoding(scale=2.0), (3, 4, 5), sinusoid, bad=[((2, 3), "takes")], tolerance=2e-5
    ),
    "LearnedEncoding": Case(
        lambda: nn.LearnedEncoding(6, 5),
        (3, 4, 5),
        lambda layer, x: x + layer.weight.value[:4],
        bad=[((2, 7, 5), "at most 6 steps")],
        refused=[(lambda: nn.LearnedEncoding(0, 2), "max_steps must be")],
    ),
}
