"""The generator from which new layers draw their first weights."""

from __future__ import annotations

import threading

import numpy as np


class _State(threading.local):
    def __init__(self) -> None:
        self.generator = np.random.default_rng(0)


_state = _State()


def manual_seed(seed: int) -> np.random.Generator:
    """Restarts this thread's generator of initial weights from ``seed``; layers made after it are reproducible."""
    _state.generator = np.random.default_rng(seed)
    return _state.generator


def generator() -> np.random.Generator:
    """This thread's generator of initial weights."""
    return _state.generator
