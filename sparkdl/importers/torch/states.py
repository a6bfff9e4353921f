"""Which of the dicts in a ``.pt`` file is the state dict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sparkdl.errors import FormatError, UnsupportedError
from sparkdl.importers.torch.pickle_free import Made, Name, short

_TENSORS = (
    "_rebuild_tensor_v2", "_rebuild_tensor", "_rebuild_parameter", "_rebuild_parameter_with_state", "_rebuild_from_type_v2",
)  # fmt: skip
_WRAPPED = ("state_dict", "model_state_dict", "model", "net", "params", "weights")
_DEPTH = 4
_MOST = 1000  # dicts that are looked into

Table = dict[Any, Any]


def is_tensor(value: Any) -> bool:
    return isinstance(value, Made) and isinstance(value.function, Name) and value.function.module.startswith("torch") and (
        value.function.name in _TENSORS
    )


def choose(path: Path, value: Any, key: str | None) -> Table:
    """The state dict that ``key`` names, or the one that is meant where the file leaves no doubt."""
    if _is_object(value):
        raise _whole(path, "", value)
    if key is not None:
        return _named(path, value, key)
    table = value
    for _ in range(_DEPTH):
        if not isinstance(table, dict):
            break
        inside = [v for v in table.values() if _is_state(v)]
        only = inside[0] if len(inside) == 1 else None
        inner = next((table[key] for key in _WRAPPED if isinstance(table.get(key), dict)), only)
        if inner is None or _is_state(table):
            break
        table = inner
    if _is_state(table):
        return table
    if whole := next(((k, v) for k, v in value.items() if _is_object(v) and k in _WRAPPED), None) if isinstance(value, dict) else None:
        raise _whole(path, f"under {short(whole[0])} ", whole[1])
    keys = _states(value)
    if keys:
        first = next(iter(keys))
        raise FormatError(f"{path} holds several state dicts: {_listed(keys)}; choose one, as in load_torch(path, model, key={first!r}).")
    held = f"; it holds {', '.join(short(key) for key in list(table)[:10])}" if isinstance(table, dict) and table else ""
    raise FormatError(f"{path} holds no state dict (a dict of tensors by name){held}.")


def _named(path: Path, value: Any, key: str) -> Table:
    found = _states(value)
    if key in found:
        return found[key]
    if isinstance(value, dict) and _is_object(value.get(key)):
        raise _whole(path, f"under {key!r} ", value[key])
    names = f"there are {_listed(found)}" if found else "there is none, or the file itself is one"
    raise FormatError(f"{path} holds no state dict under {key!r}; {names}.")


def _states(value: Any) -> dict[str, Table]:
    """The state dicts inside of dicts, by their keys joined with dots."""
    found: dict[str, Table] = {}
    known: dict[int, bool] = {}  # a pickle may show one dict in many places
    level = [("", value)]
    for _ in range(_DEPTH):
        inner = []
        for path, table in level:
            for key, each in table.items() if isinstance(table, dict) else ():
                if not isinstance(each, dict) or not isinstance(key, str) or len(known) > _MOST:
                    continue
                if id(each) not in known:
                    known[id(each)] = _is_state(each)
                    inner.append((f"{path}{key}.", each))
                if known[id(each)]:
                    found.setdefault(f"{path}{key}", each)
        level = inner
    return found


def _is_state(value: Any) -> bool:
    return isinstance(value, dict) and any(is_tensor(each) for each in value.values())


def _is_object(value: Any) -> bool:
    return isinstance(value, Made) and not is_tensor(value)


def _listed(keys: dict[str, Table]) -> str:
    return ", ".join(repr(key[:80]) for key in list(keys)[:10]) + (", ..." if len(keys) > 10 else "")


def _whole(path: Path, where: str, made: Made) -> UnsupportedError:
    return UnsupportedError(
        f"{path} holds {where}a whole {short(made.function)}, whose code is not in the file; in PyTorch, save its weights: "
        "torch.save(model.state_dict(), path), or safetensors.torch.save_file(model.state_dict(), path)."
    )
