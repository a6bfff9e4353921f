"""Runs an exchange with threads for tasks, on gradients that are pure functions of step and virtual shard."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparkdl import tree
from sparkdl.blockmanager.memory import MemoryHub
from sparkdl.optim.exchange import AllReduce, Local, Member

SHARDS = 8


@dataclass(frozen=True)
class Part:
    name: str
    start: int
    stop: int


def parts_of(elements: int) -> list[Part]:
    """Parameters of uneven lengths; each starts on a multiple of 16."""
    edges = [0, *(e for e in (16, 1024, 1040, 4000, 9008) if e < elements), elements]
    return [Part(f"p{i}", a, b) for i, (a, b) in enumerate(zip(edges, edges[1:], strict=False))]


def leaf_gradient(elements: int, step: int, leaf: int, dtype: Any = np.float32) -> np.ndarray:
    return np.random.default_rng([step, leaf]).standard_normal(elements).astype(dtype)


def leaf_header(step: int, leaf: int) -> np.ndarray:
    return np.random.default_rng([step, leaf, 1]).random(3) * [1, 50, 1]


def rows(value: Callable[[int], np.ndarray], member: Member) -> np.ndarray:
    """Sums over each of the member's subtrees, along the tree."""
    leaves = {(i, i + 1): value(i) for i in range(*member.leaves)}
    return np.stack([tree.fold(leaves, np.add, *node) for node in member.subtrees])


def first_weights(elements: int, dtype: Any = np.float32) -> np.ndarray:
    return np.random.default_rng(7).standard_normal(elements).astype(dtype)


@dataclass
class Result:
    weights: np.ndarray
    totals: list[np.ndarray]
    merged: np.ndarray
    state: dict[str, np.ndarray]
    exchange: Any


def train(exchange: Any, member: Member, store: Any, rule: Any, elements: int, steps: int, dtype: Any) -> Result:
    """What one task does."""
    weights = first_weights(elements, dtype)
    exchange.bind(member, store, weights, parts_of(elements), rule)
    totals = []
    for step in range(1, steps + 1):
        grads = rows(lambda leaf, s=step: leaf_gradient(elements, s, leaf, dtype), member)
        totals.append(exchange.step(grads, rows(lambda leaf, s=step: leaf_header(s, leaf), member), step))
    merged = exchange.merge(rows(lambda leaf: leaf_gradient(300, 0, leaf, np.float64), member))
    state = exchange.state()
    exchange.finish()
    return Result(weights, totals, merged, state, exchange)


def run(
    size: int,
    rule: Callable[[], Any],
    elements: int = 10_000,
    steps: int = 3,
    teams: Sequence[Sequence[int]] | None = None,
    dtype: Any = np.float32,
    work: Callable[..., Result] = train,
    **options: Any,
) -> list[Result]:
    """The results of all tasks; ``size`` 0 is `Local`."""
    if size == 0:
        return [work(Local(**options), Member(shards=SHARDS), None, rule(), elements, steps, dtype)]
    hub = MemoryHub(size, teams)
    results: list[Any] = [None] * size

    def task(rank: int) -> None:
        member = Member(rank, size, SHARDS, hub.teams)
        try:
            results[rank] = work(AllReduce(**options), member, hub.connect(rank), rule(), elements, steps, dtype)
        except BaseException as error:
            results[rank] = error

    threads = [threading.Thread(target=task, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results
