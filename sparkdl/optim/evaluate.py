"""Metrics over a feed, merged so that the figures do not depend on how many tasks compute them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from sparkdl.data.feed import Feed
from sparkdl.data.order import Batch
from sparkdl.nn.context import Run
from sparkdl.nn.graph import program_of
from sparkdl.nn.module import Module
from sparkdl.nn.plan import planned
from sparkdl.nn.program import Pass
from sparkdl.optim.metrics.of_output import check_outputs
from sparkdl.tree import fold

BATCH = 256  # rows at a time


States = dict[tuple[int, int], list[Any]]


def shard_by_shard(model: Module, feed: Feed, metrics: tuple[Any, ...]) -> States:
    """The metrics' states over each virtual shard that the feed holds."""
    return {(shard, shard + 1): shard_states(model, feed, shard, metrics) for shard in range(feed.first, feed.last)}


def figures(states: States, metrics: tuple[Any, ...], shards: int) -> dict[str, Any]:
    """``{metric name: value}`` from the states of all shards, merged along the tree."""

    def merge(a: list[Any], b: list[Any]) -> list[Any]:
        return [m.merge(s, t) for m, s, t in zip(metrics, a, b, strict=True)]

    total = fold(states, merge, 0, shards)
    return {metric.name: metric.value(state) for metric, state in zip(metrics, total, strict=True)}


def evaluate(model: Module, feed: Feed, metrics: tuple[Any, ...], exchange: Any, shards: int) -> dict[str, Any]:
    """``{metric name: value}`` over the rows of all tasks, the same in every task."""
    states = shard_by_shard(model, feed, metrics)
    if feed.last - feed.first < shards:
        for packed in exchange.gather(np.frombuffer(pack(states), np.uint8)):
            states.update(unpack(packed.tobytes()))
    return figures(states, metrics, shards)


def shard_states(model: Module, feed: Feed, shard: int, metrics: tuple[Any, ...]) -> list[Any]:
    """The metrics' states after the rows of one shard."""
    offsets = np.concatenate([[0], np.cumsum(feed.counts)])
    start, stop = offsets[shard - feed.first : shard - feed.first + 2]
    states = [metric.zero() for metric in metrics]
    for a in range(start, stop, BATCH):
        local = np.arange(a, min(a + BATCH, stop))
        bounds = np.array([0, len(local)])
        rows = feed.rows(Batch(0, len(local), bounds, local - start, local, local))
        outputs = run_eval(model, rows.inputs)
        y = outputs[0] if len(outputs) == 1 else tuple(outputs)
        check_outputs(metrics, y)
        states = [m.update(s, y, rows.target, rows.weight) for m, s in zip(metrics, states, strict=True)]
    return states


def run_eval(model: Module, inputs: tuple[np.ndarray, ...]) -> list[np.ndarray]:
    """The model's outputs in eval mode, whatever mode it is in."""
    program = planned(program_of(model, inputs))
    return Pass(program, list(inputs), Run.single(len(inputs[0])), model.dtype).outputs


def pack(states: States) -> bytes:
    """States are numbers, arrays and tuples of these: written as arrays, without pickle."""
    arrays: dict[str, np.ndarray] = {}
    for (a, b), state in states.items():
        for i, each in enumerate(state):
            tuple_like = isinstance(each, tuple)
            for j, part in enumerate(each if tuple_like else (each,)):
                arrays[f"{a},{b},{i},{j if tuple_like else -1}"] = np.asarray(part)
    out = io.BytesIO()
    np.savez(out, **arrays)  # type: ignore[arg-type]
    return out.getvalue()


def unpack(data: bytes) -> States:
    states: dict[tuple[int, int], dict[int, Any]] = {}
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        for key in arrays.files:
            a, b, i, j = (int(part) for part in key.split(","))
            value = arrays[key]
            value = value[()] if value.ndim == 0 else value
            parts = states.setdefault((a, b), {})
            parts[i] = value if j < 0 else (*parts.get(i, ()), value)
    return {tree: [parts[i] for i in sorted(parts)] for tree, parts in states.items()}
