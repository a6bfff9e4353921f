"""The one fixed binary tree over V virtual shards, along which everything that is summed over rows is summed.

A node of ``n`` leaves splits at the largest power of two below ``n``. A sum that follows the tree gives the same bits
however the leaves are dealt out to tasks, as long as each task hands over whole subtrees.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

T = TypeVar("T")


def split(n: int) -> int:
    """How many of ``n`` >= 2 leaves go to the left child: the largest power of two below ``n``."""
    return 1 << ((n - 1).bit_length() - 1)


def shards_of(task: int, tasks: int, shards: int) -> tuple[int, int]:
    """The leaves ``first, stop`` that ``task`` of ``tasks`` holds."""
    return task * shards // tasks, (task + 1) * shards // tasks


@lru_cache(maxsize=1024)
def subtrees(first: int, stop: int, shards: int) -> tuple[tuple[int, int], ...]:
    """The largest whole subtrees that cover leaves ``first`` to ``stop`` of ``shards``, as ``(first, stop)`` pairs."""

    def cover(a: int, b: int) -> list[tuple[int, int]]:
        if stop <= a or b <= first:
            return []
        if first <= a and b <= stop:
            return [(a, b)]
        middle = a + split(b - a)
        return cover(a, middle) + cover(middle, b)

    return tuple(cover(0, shards))


def fold(blocks: dict[tuple[int, int], T], add: Callable[[T, T], T], first: int, stop: int) -> T:
    """The sum over the node ``first, stop`` from the sums of subtrees below it (or of that node itself)."""
    if (first, stop) in blocks:
        return blocks[first, stop]
    middle = first + split(stop - first)
    return add(fold(blocks, add, first, middle), fold(blocks, add, middle, stop))
