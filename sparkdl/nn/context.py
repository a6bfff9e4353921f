"""What one use of a layer in one run gets from outside, and keeps from forward to backward."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sparkdl import memory
from sparkdl.arrays import empty_like_layout
from sparkdl.nn.parameter import Parameter
from sparkdl.tree import fold, split, subtrees


@dataclass
class Run:
    """What all layers of one forward and backward share.

    ``bounds`` (leaves + 1 offsets) cuts the batch into the virtual shards ``first .. first + leaves - 1`` of
    ``shards``; ``rows`` are the global positions of the samples. ``merge_tasks`` adds one row of sums per whole
    subtree of this task to those of the other tasks.
    """

    training: bool = False
    seed: int = 0
    step: int = 0
    rows: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    bounds: np.ndarray = field(default_factory=lambda: np.zeros(2, np.int64))
    first: int = 0
    shards: int = 1
    merge_tasks: Callable[[np.ndarray], np.ndarray] | None = None
    grads: dict[int, np.ndarray] | None = None  # id(parameter) -> (subtrees, *data.shape); None: parameter.grad
    shared: frozenset[int] = frozenset()  # ids of parameters that several uses add to: summed per leaf first
    leaf_sums: dict[int, tuple[Parameter, np.ndarray]] = field(default_factory=dict)
    nested: bool = False  # part of another run, which finishes what is summed per leaf
    penalty: Any = None  # per leaf, what layers add to the loss (activity penalties)
    counts: list[float] = field(default_factory=lambda: [1.0])  # what a sample counts for in the loss

    @classmethod
    def single(cls, batch: int, **kwargs: Any) -> Run:
        """A run of one leaf that holds the whole batch."""
        return cls(rows=np.arange(batch), bounds=np.array([0, batch], np.int64), **kwargs)

    @property
    def leaves(self) -> int:
        return len(self.bounds) - 1

    @property
    def trees(self) -> tuple[tuple[int, int], ...]:
        """The whole subtrees that this run's leaves make up."""
        return subtrees(self.first, self.first + self.leaves, self.shards)

    def merge(self, sums: np.ndarray) -> np.ndarray:
        """The total ``(m,)`` over all leaves of all tasks of ``sums`` ``(leaves, m)``, along the tree."""
        leaves = {(self.first + i, self.first + i + 1): sums[i] for i in range(self.leaves)}
        parts = np.stack([fold(leaves, np.add, a, b) for a, b in self.trees])
        if self.merge_tasks is not None:
            return self.merge_tasks(parts)
        return fold(dict(zip(self.trees, parts, strict=True)), np.add, 0, self.shards)


class Context:
    """``ctx``: outputs and scratch memory, what backward needs, mode, random keys, and where gradients go."""

    symbolic = True  # its presence marks a call of the layer itself, not one on arrays

    def __init__(self, run: Run, key: int, training: bool, needs: tuple[bool, ...], dtype: np.dtype) -> None:
        self.run, self.key, self.training, self.needs, self.dtype = run, key, training, needs, dtype
        self.saved: tuple[Any, ...] = ()

    # memory
    def empty(self, shape: tuple[int, ...], dtype: Any = None) -> np.ndarray:
        """Memory for an output; 4-D shapes lie channels-last."""
        return empty_like_layout(shape, self.dtype if dtype is None else dtype)

    def scratch(self, shape: tuple[int, ...], dtype: Any = None) -> np.ndarray:
        """C-contiguous memory that is free again when this call of the layer returns."""
        return memory.empty(shape, self.dtype if dtype is None else dtype)

    def save(self, *arrays: Any) -> None:
        """Keeps what backward needs, as ``saved``; nothing is kept when no backward will come."""
        if self.run.training:
            self.saved = arrays

    # place of the batch in the whole
    @property
    def seed(self) -> int:
        return self.run.seed

    @property
    def step(self) -> int:
        return self.run.step

    @property
    def rows(self) -> np.ndarray:
        """Global positions of the batch's samples, int64 (batch,)."""
        return self.run.rows

    @property
    def bounds(self) -> np.ndarray:
        """Offsets of the leaves in the batch, int64 (leaves + 1,)."""
        return self.run.bounds

    def leaves(self) -> Iterator[slice]:
        """The rows of each leaf that has any."""
        offsets = self.run.bounds.tolist()
        return (slice(a, b) for a, b in zip(offsets, offsets[1:], strict=False) if b > a)

    # sums over rows
    def merge(self, sums: np.ndarray) -> np.ndarray:
        """Total over all shards of all tasks of one row of sums per leaf, ``(leaves, m) -> (m,)``."""
        return self.run.merge(sums)

    def leaf_sums(self, of: Callable[[slice], Any], width: int) -> np.ndarray:
        """``(leaves, width)`` float64, row i being ``of(rows of leaf i)``; zero for an empty leaf."""
        sums = np.zeros((self.run.leaves, width))
        for i, (a, b) in enumerate(zip(self.bounds[:-1], self.bounds[1:], strict=True)):
            if b > a:
                sums[i] = of(slice(a, b))
        return sums

    def penalize(self, sums: np.ndarray) -> None:
        """Adds ``sums`` (leaves,) to the loss, of which the mean over samples counts; backward takes their slopes times
        `per_sample`.
        """
        self.run.penalty = sums if self.run.penalty is None else self.run.penalty + sums

    @property
    def per_sample(self) -> float:
        """What each sample counts for in the loss: it divides by as many numbers as it has outputs, for one."""
        return self.run.counts[0]

    def grad(self, parameter: Parameter, write: Callable[[np.ndarray, slice], Any]) -> None:
        """Adds to the parameter's gradient; ``write(out, rows)`` fills ``out`` (data layout) with that of ``rows``.

        It is called once per leaf, and the results are added up along the tree.
        """
        if not parameter.trainable:
            return
        run = self.run
        if run.shards > 1 and id(parameter) in run.shared:
            self._add_to_leaves(parameter, write)
            return
        targets = self._targets(parameter)
        for target, (first, stop) in zip(targets, run.trees, strict=True):
            if parameter.touched:
                scratch = np.empty_like(target)
                self._climb(scratch, write, first, stop)
                target += scratch
            else:
                self._climb(target, write, first, stop)
        parameter.touched = True

    def grad_tree(self, parameter: Parameter, write: Callable[[np.ndarray, np.ndarray], Any]) -> None:
        """As ``grad``, for a kernel that climbs the tree itself: ``write(out, bounds)``.

        It fills ``out`` with the sum along the tree over the leaves that ``bounds`` (offsets in the batch) cuts.
        """
        bounds = self.run.bounds
        self._grad_whole(parameter, lambda out, a, b: write(out, bounds[a : b + 1]))

    def grad_leaves(self, parameter: Parameter, leaves: np.ndarray) -> None:
        """Adds to the parameter's gradient what a kernel computed for all leaves at once, ``(leaves, *data.shape)``.

        ``leaves`` is used up.
        """
        from sparkdl.nn.kernels.leaves import tree_sum

        self._grad_whole(parameter, lambda out, a, b: tree_sum(out, leaves[a:b]))

    def _grad_whole(self, parameter: Parameter, write: Callable[[np.ndarray, int, int], Any]) -> None:
        """``write(out, a, b)`` fills ``out`` with the sum along the tree over this task's leaves ``a`` to ``b``."""
        if not parameter.trainable:
            return
        run = self.run
        if run.shards > 1 and id(parameter) in run.shared:

            def write_leaf(out: np.ndarray, rows: slice) -> None:
                leaf = self._leaf_of(rows)
                write(out, leaf, leaf + 1)

            self._add_to_leaves(parameter, write_leaf)
            return
        for target, (first, stop) in zip(self._targets(parameter), run.trees, strict=True):
            out = np.empty_like(target) if parameter.touched else target
            write(out, first - run.first, stop - run.first)
            if out is not target:
                target += out
        parameter.touched = True

    def _add_to_leaves(self, parameter: Parameter, write: Callable[[np.ndarray, slice], Any]) -> None:
        """Sums over uses come before sums over leaves, else they would depend on how leaves are dealt out to tasks."""
        new = id(parameter) not in self.run.leaf_sums
        if new:
            zeros = np.zeros((self.run.leaves, *parameter.data.shape), parameter.dtype)
            self.run.leaf_sums[id(parameter)] = (parameter, zeros)
        sums = self.run.leaf_sums[id(parameter)][1]
        scratch = np.empty_like(parameter.data)
        for rows in self.leaves():
            write(scratch, rows)
            sums[self._leaf_of(rows)] += scratch

    def finish_shared(self) -> None:
        """At the end of a backward: adds up along the tree what ``_add_to_leaves`` gathered."""
        self.run.shared, gathered = frozenset(), self.run.leaf_sums
        self.run.leaf_sums = {}
        for parameter, leaves in gathered.values():
            self.grad_leaves(parameter, leaves)

    def _leaf_of(self, rows: slice) -> int:
        return int(np.searchsorted(self.run.bounds, rows.start, side="right")) - 1

    def _targets(self, parameter: Parameter) -> np.ndarray | list[np.ndarray]:
        if self.run.grads is not None:
            return self.run.grads[id(parameter)]
        if parameter.grad is None:
            parameter.grad, parameter.touched = np.zeros_like(parameter.data), False
        return [parameter.grad]

    def _climb(self, out: np.ndarray, write: Callable[[np.ndarray, slice], Any], first: int, stop: int) -> None:
        if stop - first == 1:
            a, b = self.run.bounds[first - self.run.first : first - self.run.first + 2]
            if b > a:
                write(out, slice(int(a), int(b)))
            else:
                out.fill(0)
            return
        middle = first + split(stop - first)
        self._climb(out, write, first, middle)
        right = np.empty_like(out)
        self._climb(right, write, middle, stop)
        out += right
