"""LeNet's little sister trained by a serial NumPy loop, written the naive way: what distributed training must equal."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

SHAPES = {"0.weight": (4, 1, 3, 3), "0.bias": (4,), "4.weight": (10, 36), "4.bias": (10,)}


def model():
    """Conv 4@3x3, tanh, 2x2 max pool, linear 10, log-softmax, on 8x8 pictures."""
    from sparkdl import nn

    nn.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.Tanh(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 10), nn.LogSoftmax()
    )


def data(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (rows, 1, 8, 8) float32 with something to learn in them, and labels."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 10, rows)
    patterns = np.random.default_rng(99).standard_normal((10, 1, 8, 8))
    x = patterns[y] + rng.standard_normal((rows, 1, 8, 8))
    return x.astype(np.float32), y


def gradients(w: dict[str, np.ndarray], x: np.ndarray, y: np.ndarray) -> tuple[float, dict[str, np.ndarray]]:
    """Mean loss and its gradients, forwards and backwards by hand."""
    n = len(x)
    windows = sliding_window_view(x[:, 0], (3, 3), axis=(1, 2))  # (n, 6, 6, 3, 3)
    c = np.einsum("nijab,oab->noij", windows, w["0.weight"][:, 0]) + w["0.bias"][:, None, None]
    t = np.tanh(c)
    blocks = t.reshape(n, 4, 3, 2, 3, 2).transpose(0, 1, 2, 4, 3, 5).reshape(n, 4, 3, 3, 4)
    best = blocks.argmax(-1)
    p = np.take_along_axis(blocks, best[..., None], -1)[..., 0].reshape(n, 36)
    z = p @ w["4.weight"].T + w["4.bias"]
    z = z - z.max(1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(1, keepdims=True))
    loss = -logp[np.arange(n), y].mean()
    dz = np.exp(logp)
    dz[np.arange(n), y] -= 1
    dz /= n
    dp = (dz @ w["4.weight"]).reshape(n, 4, 3, 3)
    dblocks = np.zeros_like(blocks)
    np.put_along_axis(dblocks, best[..., None], dp[..., None], -1)
    dt = dblocks.reshape(n, 4, 3, 3, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(n, 4, 6, 6)
    dc = dt * (1 - t * t)
    return float(loss), {
        "0.weight": np.einsum("noij,nijab->oab", dc, windows)[:, None],
        "0.bias": dc.sum((0, 2, 3)),
        "4.weight": dz.T @ p,
        "4.bias": dz.sum(0),
    }


def train(w, batches, lr: float, momentum: float, dtype) -> tuple[dict[str, np.ndarray], list[float]]:
    """SGD with momentum over ``batches`` of (x, y), from weights ``w``; the weights afterwards and every loss."""
    w = {k: v.astype(dtype) for k, v in w.items()}
    v = {k: np.zeros_like(each) for k, each in w.items()}
    losses = []
    for x, y in batches:
        loss, g = gradients(w, x.astype(dtype), y)
        losses.append(loss)
        for k in w:
            v[k] = dtype(momentum) * v[k] + g[k].astype(dtype)
            w[k] = w[k] - dtype(lr) * v[k]
    return w, losses


def batches(x, y, batch_size: int, seed: int, epochs: int, shards: int = 8):
    """The global batches of a run, in order: every row of the feed's own order once per epoch."""
    from sparkdl.data.arrays import ArrayFeed
    from sparkdl.data.order import EpochPlan

    feed = ArrayFeed(x, y, shards=shards)
    for epoch in range(epochs):
        plan = EpochPlan(feed.counts, batch_size, seed, epoch)
        for step in range(plan.steps):
            rows = feed.rows(plan.batch(step))
            yield rows.inputs[0], rows.target
