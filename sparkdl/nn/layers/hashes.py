"""Whole numbers as bins, by the hashes of their digits."""

from __future__ import annotations

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.module import Layer

_LOW = (1 << 64) - 1
_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F
_MULTIPLIER, _KEY = 0xC6A4A7935BD1E995, 0xDECAFCAFFE  # TensorFlow's, of crossed columns


class Hashes(Layer):
    """The bin, from 0 to ``bins - 1``, of each whole number, by a hash of its decimal digits; no gradient.

    The hash is Farmhash's fingerprint, with ``salt`` (two numbers) SipHash-2-4 under that key. ``mask`` is a number
    that gets bin 0 for itself, the others then share the rest. Values between whole numbers lose what is behind the
    point.

    Shapes
    ------
    input   (batch, *)
    output  the same, of the model's floats

    Source: Keras's Hashing; github.com/google/farmhash; Aumasson & Bernstein (2012).
    """

    integers = True

    def __init__(self, bins: int, salt: tuple[int, int] | None = None, mask: float | None = None) -> None:
        super().__init__()
        if salt is not None and len(salt) != 2:
            raise ShapeError(f"Hashes: salt is two whole numbers, got {salt!r}.")
        self.bins, self.salt, self.mask = bins, salt, mask

    def forward(self, x, ctx):
        aside = int(self.mask is not None and self.bins > 1)
        numbers, places = np.unique(x.astype(np.int64), return_inverse=True)
        texts = [b"%d" % n for n in numbers.tolist()]
        hashes = [fingerprint(t) if self.salt is None else siphash(t, *self.salt) for t in texts]
        bins = np.array([h % (self.bins - aside) + aside for h in hashes], np.int64)[places].reshape(x.shape)
        return (np.where(x == self.mask, 0, bins) if aside else bins).astype(ctx.dtype)

    def backward(self, dy, ctx):
        return None


class CrossedHashes(Layer):
    """One bin for what several whole numbers are together, by a hash of all of them; no gradient.

    Shapes
    ------
    inputs  two or more arrays of one shape (batch,) or (batch, 1)
    output  that shape

    Source: Keras's HashedCrossing, TensorFlow's SparseCross.
    """

    integers = True

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.bins = bins

    def forward(self, *xs, ctx):
        shapes = {x.shape for x in xs}
        if len(shapes) != 1 or xs[0].size != len(xs[0]):
            raise ShapeError(f"{self!r} takes arrays (batch,) or (batch, 1) of one shape, got {[x.shape for x in xs]}.")
        rows = np.stack([x.reshape(-1).astype(np.int64) for x in xs], 1).tolist()
        bins = [crossed(row) % self.bins for row in rows]
        return np.array(bins, np.int64).reshape(xs[0].shape).astype(ctx.dtype)

    def backward(self, dy, ctx):
        return None


def crossed(numbers: list[int]) -> int:
    """TensorFlow's fingerprints put together."""
    whole = _KEY
    for n in numbers:
        whole ^= _MULTIPLIER
        whole ^= _shifted(n * _MULTIPLIER & _LOW) * _MULTIPLIER & _LOW
        whole = whole * _MULTIPLIER & _LOW
        whole = _shifted(_shifted(whole) * _MULTIPLIER & _LOW)
    return whole


def fingerprint(text: bytes) -> int:
    """Farmhash's Fingerprint64 of up to 32 bytes."""
    n = len(text)
    if n > 32:
        raise ValueError(f"fingerprint: up to 32 bytes, got {n}.")
    if n > 16:
        multiplier = _K2 + 2 * n
        a, b = _word(text, 0) * _K1 & _LOW, _word(text, 8)
        c, d = _word(text, n - 8) * multiplier & _LOW, _word(text, n - 16) * _K2 & _LOW
        first = _turned(a + b & _LOW, 43) + _turned(c, 30) + d
        return _mixed(first & _LOW, a + _turned(b + _K2 & _LOW, 18) + c & _LOW, multiplier)
    if n >= 8:
        multiplier = _K2 + 2 * n
        a, b = _word(text, 0) + _K2 & _LOW, _word(text, n - 8)
        c, d = _turned(b, 37) * multiplier + a & _LOW, (_turned(a, 25) + b) * multiplier & _LOW
        return _mixed(c, d, multiplier)
    if n >= 4:
        return _mixed(n + (_word(text, 0, 4) << 3), _word(text, n - 4, 4), _K2 + 2 * n)
    if n:
        y, z = text[0] + (text[n >> 1] << 8), n + (text[-1] << 2)
        return _shifted(y * _K2 & _LOW ^ z * _K0 & _LOW) * _K2 & _LOW
    return _K2


def _word(text: bytes, start: int, size: int = 8) -> int:
    return int.from_bytes(text[start : start + size], "little")


def _turned(value: int, bits: int) -> int:
    """To the right."""
    return (value >> bits | value << (64 - bits)) & _LOW


def _shifted(value: int) -> int:
    return value ^ value >> 47


def _mixed(u: int, v: int, multiplier: int) -> int:
    a = _shifted((u ^ v) * multiplier & _LOW)
    return _shifted((v ^ a) * multiplier & _LOW) * multiplier & _LOW


def siphash(text: bytes, key0: int, key1: int) -> int:
    """SipHash-2-4 of 64 bits."""
    k0, k1 = key0 & _LOW, key1 & _LOW
    state = (k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573)
    ended = text + b"\0" * (-(len(text) + 1) % 8) + bytes([len(text) & 255])
    for start in range(0, len(ended), 8):
        word = _word(ended, start)
        a, b, c, d = state
        a, b, c, d = _round(*_round(a, b, c, d ^ word))
        state = (a ^ word, b, c, d)
    a, b, c, d = state
    a, b, c, d = _round(*_round(*_round(*_round(a, b, c ^ 255, d))))
    return a ^ b ^ c ^ d


def _round(a: int, b: int, c: int, d: int) -> tuple[int, int, int, int]:
    a, c = a + b & _LOW, c + d & _LOW
    b, d = _turned(b, 51) ^ a, _turned(d, 48) ^ c
    a, c = _turned(a, 32) + d & _LOW, c + b & _LOW
    b, d = _turned(b, 47) ^ c, _turned(d, 43) ^ a
    return a, b, _turned(c, 32), d
