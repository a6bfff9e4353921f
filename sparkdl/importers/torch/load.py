"""``load_torch``."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from sparkdl.errors import FormatError, ShapeError, UnsupportedError
from sparkdl.importers.limits import reading
from sparkdl.importers.torch.pt import read_pt
from sparkdl.importers.torch.safetensors import read_safetensors
from sparkdl.nn.module import Module
from sparkdl.nn.parameter import Parameter

_PREFIXES = ("module.", "_orig_mod.", "model.")  # of DataParallel, torch.compile and Lightning


def load_torch(path: str | Path, model: Module, match: str = "name", *, key: str | None = None) -> Module:
    """Copies the weights of a PyTorch ``state_dict`` (safetensors, or ``.pt`` without running its pickle) into ``model``.

    ``match="name"`` takes the arrays of equal names (prefixes ``module.``, ``_orig_mod.`` and ``model.`` are dropped), ``"order"`` one after another, as
    long as shapes agree. ``key`` chooses among the state dicts of a checkpoint (``"ema"``; ``"nets.critic"`` for one
    inside another dict). Missing or misshaped arrays fail by name before anything is copied; surplus ones warn.
    Returns the model.
    """
    if match not in ("name", "order"):
        raise ValueError(f"load_torch: match is 'name' or 'order', got {match!r}.")
    with reading(path):
        state = read_state(path, key)
    if match == "order":
        given = [(name, array) for name, array in state.items() if not name.endswith("num_batches_tracked")]
        own = [(name, target) for name, target in _targets(model) if not name.endswith("num_batches_tracked")]
        if len(given) < len(own):
            raise FormatError(f"{path} holds {len(given)} arrays, the model wants {len(own)}; the first one missing is {own[len(given)][0]!r}.")
        pairs = [(name, target, array) for (name, target), (_, array) in zip(own, given, strict=False)]
        surplus = [name for name, _ in given[len(own) :]]
    else:
        own = list(_targets(model))
        state = _without_prefix(state, {name for name, _ in own})
        missing = [name for name, _ in own if name not in state and not name.endswith("num_batches_tracked")]
        if missing:
            raise FormatError(f"{path} lacks {', '.join(missing[:10])} ({len(missing)} in all); it holds {', '.join(list(state)[:10])}.")
        pairs = [(name, target, state[name]) for name, target in own if name in state]
        surplus = sorted(state.keys() - {name for name, _ in own})
    _copy(path, pairs)
    if surplus:
        warnings.warn(f"{path}: {len(surplus)} arrays that the model does not have: {', '.join(surplus[:10])}.", stacklevel=2)
    return model


def _without_prefix(state: dict[str, np.ndarray], wanted: set[str]) -> dict[str, np.ndarray]:
    """The arrays by the names that the model has: wrappers put prefixes before all of them."""
    for _ in range(len(_PREFIXES)):
        prefix = next((p for p in _PREFIXES if state and all(name.startswith(p) for name in state)), None)
        if prefix is None or state.keys() & wanted:
            break
        state = {name.removeprefix(prefix): array for name, array in state.items()}
    return state


def _copy(path: str | Path, pairs: list[tuple[str, np.ndarray, np.ndarray]]) -> None:
    wrong = [f"{name}: {array.shape} in the file, {target.shape} in the model" for name, target, array in pairs if array.shape != target.shape]
    if wrong:
        raise ShapeError(f"{path}: " + "; ".join(wrong[:10]) + ".")
    for _, target, array in pairs:
        target[...] = array


def _targets(model: Module) -> list[tuple[str, np.ndarray]]:
    """Parameters and buffers by name, in the order in which PyTorch lists them: module by module."""
    found, seen = [], set()
    for path, module in model.named_modules():
        for name, each in [*module._parameters.items(), *module._buffers.items()]:
            if id(each) not in seen:
                seen.add(id(each))
                found.append((f"{path}.{name}" if path else name, each.value if isinstance(each, Parameter) else each))
    return found


def read_state(path: str | Path, key: str | None = None) -> dict[str, np.ndarray]:
    """The arrays of a safetensors or ``.pt`` file by name; ``key`` chooses among several state dicts."""
    if key is not None and not isinstance(key, str):
        raise ValueError(f"load_torch: key is the name of a state dict in the file, got {key!r}.")
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}.")
    if path.suffix == ".t7":
        raise UnsupportedError(
            f"{path}: Torch7 files are not read: they are dumps of Lua objects, functions among them. Load it with PyTorch "
            "before 1.0 (torch.utils.serialization.load_lua) and save its state_dict, which load_torch reads."
        )
    with open(path, "rb") as file:
        start = file.read(265)
    if start[257:262] == b"ustar":
        raise UnsupportedError(
            f"{path}: the tar files of PyTorch before 0.2 are not read; load it with torch.load and save its state_dict "
            "again, which load_torch reads."
        )
    if start[:4] == b"PK\x03\x04" or start[:1] == b"\x80":
        return read_pt(path, key)
    if key is not None:
        raise FormatError(f"{path}: a safetensors file is one state dict, without keys such as {key[:80]!r}.")
    return read_safetensors(path)
