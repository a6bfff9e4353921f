"""What writes which layer, for one format of export."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any


class Writers:
    """Class name of a layer -> ``writer(net, use, inputs)``, gathered from the modules ``families`` of ``package``."""

    def __init__(self, package: str, families: Sequence[str]) -> None:
        self.package, self.families = package, families
        self._table: dict[str, Callable[..., Any]] = {}

    def writes(self, *kinds: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Makes the function below the writer of these classes."""

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            self._table.update({kind: function for kind in kinds})
            return function

        return register

    def table(self) -> dict[str, Callable[..., Any]]:
        """All writers; their modules are imported when first asked for."""
        for family in self.families:
            importlib.import_module(f"{self.package}.{family}")
        return self._table
