"""Steps of a rule on a flat vector, whole or in slices, as the owners of the slices take them."""

from __future__ import annotations

import numpy as np

from sparkdl.nn.flat import Segment

SIZES = {"conv.weight": 150, "conv.bias": 6, "norm.weight": 1, "fc.weight": 3000, "fc.bias": 10}


def layout(sizes=SIZES):
    """Segments and the vector's size; each parameter starts on a multiple of 16."""
    segments, at = [], 0
    for name, size in sizes.items():
        segments.append(Segment(name, at, at + size))
        at += -(-size // 16) * 16
    return segments, at


def problem(sizes=SIZES, dtype=np.float32, seed=0):
    """``(segments, weights, gradient)``: a bowl with noise that depends on the step alone; zero between parameters."""
    segments, n = layout(sizes)
    used = np.zeros(n, bool)
    for s in segments:
        used[s.start : s.stop] = True
    w = np.where(used, np.random.default_rng(seed).standard_normal(n), 0).astype(dtype)

    def gradient(w, step):
        noise = np.random.default_rng((seed, step)).standard_normal(n)
        return np.where(used, 0.3 * w + noise, 0).astype(dtype)

    return segments, w, gradient


def norms_of(segments, vector):
    return {s.name: float(np.linalg.norm(vector[s.start : s.stop].astype(np.float64))) for s in segments}


def one_step(rule, segments, w, g, state, step, cuts, progress=None):
    """One step in place on all of ``w``; ``cuts`` are where slices start and end."""
    slices = [slice(a, b) for a, b in zip(cuts, cuts[1:], strict=False)]
    runs = [rule.segments(segments, s.start, s.stop, progress) for s in slices]
    views = [{k: v[s] for k, v in state.items()} for s in slices]
    if rule.norms:
        for s, r, v in zip(slices, runs, views, strict=True):
            rule.prepare(w[s], g[s], v, step, r)
        norms = {"weight": norms_of(segments, w), "grad": norms_of(segments, g)}
        for run in (run for r in runs for run in r):
            run.norms = {kind: norms[kind][run.name] for kind in rule.norms}
    for s, r, v in zip(slices, runs, views, strict=True):
        rule.update(w[s], g[s], v, step, r)


def train(rule, segments, w, gradient, steps, cuts=None, state=None, first=1):
    """``(weights, state)`` after ``steps`` steps from ``w``."""
    w = w.copy()
    state = {k: v.copy() for k, v in state.items()} if state else {k: np.zeros_like(w) for k in rule.slots}
    for step in range(first, first + steps):
        one_step(rule, segments, w, gradient(w, step), state, step, cuts or [0, w.size])
    return w, state
