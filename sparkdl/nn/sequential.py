"""Containers that need no forward of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sparkdl.nn.module import Module


class Sequential(Module):
    """The modules one after another: ``nn.Sequential(nn.Linear(4, 3), nn.Tanh())``; or ``nn.Sequential(fc=...)``."""

    def __init__(self, *modules: Module, **named: Module) -> None:
        super().__init__()
        for i, module in enumerate(modules):
            self.append(module, str(i))
        for name, module in named.items():
            self.append(module, name)

    def append(self, module: Module, name: str | None = None) -> Sequential:
        """Adds a module at the end, under ``name`` or its number."""
        if not isinstance(module, Module):
            raise TypeError(f"Sequential takes modules, got {type(module).__name__}: {module!r}.")
        self._modules[str(len(self._modules)) if name is None else name] = module
        self._forget()
        return self

    def _put(self, name: str, module: Module) -> None:
        self._modules[name] = module

    def forward(self, *xs: Any) -> Any:
        for i, module in enumerate(self._modules.values()):
            xs = (module(*xs),) if i == 0 or not isinstance(xs[0], tuple) else (module(*xs[0]),)
        return xs[0] if len(xs) == 1 else xs

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def __getitem__(self, key: Any) -> Any:
        """A module by number or path; a slice gives a Sequential of those modules."""
        if isinstance(key, slice):
            return Sequential(**dict(list(self._modules.items())[key]))
        return list(self._modules.values())[key] if isinstance(key, int) else super().__getitem__(key)


class ModuleList(Module):
    """A list of modules, for a user's own ``forward`` to go through."""

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        for module in modules:
            self.append(module)

    def append(self, module: Module) -> ModuleList:
        self._modules[str(len(self._modules))] = module
        self._forget()
        return self

    def extra_repr(self) -> str:
        return ""  # its modules are shown as children

    def _put(self, name: str, module: Module) -> None:
        self._modules[name] = module

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def __getitem__(self, key: Any) -> Any:
        return list(self._modules.values())[key] if isinstance(key, int) else super().__getitem__(key)
