"""A new order of all rows for every epoch, of which each place can be computed by itself.

    positions = Positions(total, seed, epoch)
    positions.rows(places)      which row stands at each of these places, in this epoch
    positions.places(rows)      where each of these rows stands: the inverse

Rows and places are numbers from 0 to ``total - 1``. Nobody holds the order as a whole: a task computes the part of its
own places, so that memory does not grow with the rows of the others. Epoch 0 leaves every row at the place of its own
number.

A Feistel network over pairs ``(place // b, place % b)`` of an ``a x b`` rectangle of at least ``total`` places; what
falls outside goes through it again until it falls inside ("cycle walking"), which keeps it a permutation. ``a`` and
``b`` are about the root of ``total``, so hardly anything falls outside.

Source: Black, Rogaway (2002), "Ciphers with arbitrary finite domains", sections 3 and 5; the round function is the
finaliser of Steele, Lea, Flood (2014), "Fast splittable pseudorandom number generators".
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 8
_KEY = 2**32 - 1  # where `order.permutation` has the number of a shard


class Positions:
    """The order of ``total`` rows in one epoch; see the module's docstring."""

    def __init__(self, total: int, seed: int, epoch: int) -> None:
        self.total, self.moved = total, epoch > 0
        self._a = max(math.isqrt(max(total - 1, 0)) + 1, 1)
        self._b = max(-(-total // self._a), 1)
        key = np.array([seed & (2**64 - 1), (epoch << 32) + _KEY], np.uint64)
        self._keys = np.random.Philox(key=key).random_raw(_ROUNDS).astype(np.uint64)

    def rows(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """The row at each place."""
        return self._walk(places, range(_ROUNDS), 1)

    def places(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The place of each row."""
        return self._walk(rows, range(_ROUNDS - 1, -1, -1), -1)

    def _walk(self, numbers: NDArray[np.int64], rounds: range, sign: int) -> NDArray[np.int64]:
        if not self.moved:
            return numbers
        out = self._network(numbers, rounds, sign)
        while len(outside := np.flatnonzero(out >= self.total)):
            out[outside] = self._network(out[outside], rounds, sign)
        return out

    def _network(self, numbers: NDArray[np.int64], rounds: range, sign: int) -> NDArray[np.int64]:
        left, right = np.divmod(numbers, self._b)
        for n in rounds:
            if n % 2:
                right = (right + sign * self._draw(left, n, self._b)) % self._b
            else:
                left = (left + sign * self._draw(right, n, self._a)) % self._a
        return left * self._b + right

    def _draw(self, half: NDArray[np.int64], number: int, below: int) -> NDArray[np.int64]:
        z = half.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + self._keys[number]
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return ((z ^ (z >> np.uint64(31))) % np.uint64(below)).astype(np.int64)
