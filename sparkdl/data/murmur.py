"""Spark's partitioning of integers, to send each shard's rows to its task.

``df.repartition(K, key)`` puts a row into partition ``pmod(murmur3(key), K)``, Murmur3_x86_32 with seed 42, and a
barrier stage gives partition t to task t. So a key per task is looked up whose partition is t.

Source: MurmurHash3_x86_32 by A. Appleby; Spark's ``HashPartitioning``.
"""

from __future__ import annotations

_MASK = 0xFFFFFFFF


def _rotate(x: int, by: int) -> int:
    return ((x << by) | (x >> (32 - by))) & _MASK


def murmur3(value: int, seed: int = 42) -> int:
    """Murmur3_x86_32 of one 32-bit integer, as a signed 32-bit integer."""
    k = _rotate((value & _MASK) * 0xCC9E2D51 & _MASK, 15) * 0x1B873593 & _MASK
    h = (_rotate(seed ^ k, 13) * 5 + 0xE6546B64) & _MASK
    h ^= 4
    h = (h ^ (h >> 16)) * 0x85EBCA6B & _MASK
    h = (h ^ (h >> 13)) * 0xC2B2AE35 & _MASK
    h ^= h >> 16
    return h - (1 << 32) if h >= 1 << 31 else h


def partition_keys(partitions: int) -> list[int]:
    """For every partition t, the smallest key >= 0 that Spark's hash partitioning sends there."""
    found: dict[int, int] = {}
    key = 0
    while len(found) < partitions:
        found.setdefault(murmur3(key) % partitions, key)
        key += 1
    return [found[t] for t in range(partitions)]
