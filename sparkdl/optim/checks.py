"""Checks of constructor arguments, written so that NaN fails them."""

from __future__ import annotations

from typing import Any

import numpy as np


def positive(owner: object, **values: Any) -> None:
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{type(owner).__name__}: {name} must be > 0, got {value!r}.")


def not_negative(owner: object, **values: Any) -> None:
    for name, value in values.items():
        if not value >= 0:
            raise ValueError(f"{type(owner).__name__}: {name} must be >= 0, got {value!r}.")


def fraction(owner: object, **values: Any) -> None:
    """0 <= value < 1."""
    for name, value in values.items():
        if not 0 <= value < 1:
            raise ValueError(f"{type(owner).__name__}: {name} must be in [0, 1), got {value!r}.")


def whole(owner: object, least: int = 1, **values: Any) -> None:
    """An integer of at least ``least``."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise ValueError(f"{type(owner).__name__}: {name} must be a whole number >= {least}, got {value!r}.")


def one_of(owner: object, choices: tuple[Any, ...], **values: Any) -> None:
    for name, value in values.items():
        if value not in choices:
            listed = ", ".join(map(repr, choices))
            raise ValueError(f"{type(owner).__name__}: {name} must be one of {listed}, got {value!r}.")
