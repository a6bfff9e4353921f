"""One training of a model at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sparkdl.nn.module import Module

_training: set[int] = set()  # ids of models
_lock = threading.Lock()


@contextmanager
def alone(model: Module) -> Iterator[None]:
    """Around the training of ``model``; RuntimeError if it is being trained already."""
    with _lock:
        if id(model) in _training:
            raise RuntimeError(
                f"this {type(model).__name__} is being trained already, by another thread or by what a callback calls; "
                "wait for the end of that fit, or train a copy (copy.deepcopy)."
            )
        _training.add(id(model))
    try:
        yield
    finally:
        with _lock:
            _training.remove(id(model))
