"""Public names that load on first use (PEP 562), so that importing a package costs nothing."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any


def attach(
    package: str, table: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """``__getattr__, __dir__, __all__`` for ``package`` from ``{submodule: [public names]}``.

    A submodule listed with no names is public itself.
    """
    home = {name: module for module, names in table.items() for name in names}
    public = sorted({*home, *(module for module, names in table.items() if not names)})

    def __getattr__(name: str) -> Any:
        if name in home:
            value = getattr(importlib.import_module(f"{package}.{home[name]}"), name)
        elif name in table:
            value = importlib.import_module(f"{package}.{name}")
        else:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        setattr(sys.modules[package], name, value)
        return value

    class Package(ModuleType):
        """Importing a submodule would otherwise put it where a public name of the same spelling belongs."""

        def __setattr__(self, name: str, value: Any) -> None:
            if isinstance(value, ModuleType) and home.get(name) == name:
                value = getattr(value, name)
            super().__setattr__(name, value)

        def __reduce__(self) -> tuple[Callable[[str], ModuleType], tuple[str]]:
            return importlib.import_module, (self.__name__,)  # pickled by name: scripts are sent to tasks

    sys.modules[package].__class__ = Package

    def __dir__() -> list[str]:
        return sorted({*vars(sys.modules[package]), *public})

    return __getattr__, __dir__, public
