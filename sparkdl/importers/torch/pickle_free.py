"""What a pickle would build, found by reading its opcodes. Nothing is imported, called or executed.

Names of classes and functions become ``Name``, calls become ``Made``; only calls of a fixed list (tensors, parameters,
ordered dicts) are given a meaning by the reader of ``.pt`` files.
"""

from __future__ import annotations

import pickletools
import reprlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any

from sparkdl.errors import FormatError
from sparkdl.importers.limits import current, within


@dataclass(frozen=True)
class Name:
    """A class or function that the pickle names."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"[:80]


@dataclass
class Made:
    """What calling ``function`` would make."""

    function: Any
    args: Any
    state: Any = None
    items: dict[Any, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Stored:
    """A reference to something outside the pickle."""

    id: Any


_MARK = object()
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_LITERALS = {
    "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE", "BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "LONG4",
    "BINFLOAT", "FLOAT", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BINSTRING", "SHORT_BINSTRING", "STRING", "BYTEARRAY8",
}  # fmt: skip


def read(stream: IO[bytes]) -> Any:
    """The value that the pickle at the stream's place writes down; the stream is left behind it."""
    return _Machine().run(stream)


class _Machine:
    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.copied = 0

    def run(self, stream: IO[bytes]) -> Any:
        for count, (op, arg) in enumerate(_operations(stream)):
            within("operations of a pickle", count, current().fields)
            try:
                if op == "STOP":
                    return self.stack.pop()
                self.step(op, arg)
            except (IndexError, KeyError, TypeError, ValueError, AttributeError) as error:
                if isinstance(error, FormatError):
                    raise
                raise FormatError(f"the pickle is corrupt: operation {op} does not make sense there.") from error
        raise FormatError("the pickle ends without its last operation; it is truncated.")

    def step(self, op: str, arg: Any) -> None:
        stack = self.stack
        if op in _LITERALS:
            stack.append(arg)
        elif op in _CONSTANTS:
            stack.append(_CONSTANTS[op])
        elif op in ("PROTO", "FRAME"):
            pass
        elif op == "MARK":
            stack.append(_MARK)
        elif op in ("EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE", "EMPTY_SET"):
            stack.append({"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_SET": list}[op]())
        elif op in ("TUPLE", "LIST", "DICT"):
            items = self.marked()
            made: Any = tuple(items) if op == "TUPLE" else items
            stack.append(_table(zip(items[::2], items[1::2], strict=True)) if op == "DICT" else made)
        elif op in ("TUPLE1", "TUPLE2", "TUPLE3"):
            n = int(op[-1])
            if len(stack) < n:
                raise IndexError
            stack[-n:] = [tuple(stack[-n:])]
        elif op in ("BINPUT", "LONG_BINPUT", "PUT"):
            self.memo[int(arg)] = stack[-1]
        elif op == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif op in ("BINGET", "LONG_BINGET", "GET"):
            stack.append(self.memo[int(arg)])
        elif op == "GLOBAL":
            module, _, name = str(arg).partition(" ")
            stack.append(Name(module, name))
        elif op == "STACK_GLOBAL":
            name, module = stack.pop(), stack.pop()
            if not isinstance(name, str) or not isinstance(module, str):
                raise TypeError
            stack.append(Name(module, name))
        elif op in ("REDUCE", "NEWOBJ"):
            args = stack.pop()
            stack.append(self.called(stack.pop(), args))
        elif op == "NEWOBJ_EX":
            stack.pop()
            args = stack.pop()
            stack.append(self.called(stack.pop(), args))
        elif op == "BUILD":
            state = stack.pop()
            if isinstance(stack[-1], Made):
                stack[-1].state = state
        elif op in ("BINPERSID", "PERSID"):
            stack.append(_referred(stack.pop() if op == "BINPERSID" else arg))
        elif op == "SETITEM":
            value, key = stack.pop(), stack.pop()
            _items(stack[-1])[_key(key)] = value
        elif op == "SETITEMS":
            items = self.marked()
            _items(stack[-1]).update(_table(zip(items[::2], items[1::2], strict=True)))
        elif op == "APPEND":
            value = stack.pop()
            stack[-1].append(value)
        elif op in ("APPENDS", "ADDITEMS"):
            items = self.marked()
            stack[-1].extend(items)
        elif op == "POP":
            stack.pop()
        elif op == "POP_MARK":
            self.marked()
        elif op == "DUP":
            stack.append(stack[-1])
        else:
            raise FormatError(f"the pickle has an operation {op} that no file of weights needs.")

    def called(self, function: Any, args: Any) -> Any:
        if function != Name("collections", "OrderedDict"):
            return Made(function, args)
        if not args or not isinstance(args, tuple) or not isinstance(args[0], list):
            return {}
        self.copied += len(args[0])  # the memo gives one list to any number of dicts
        within("entries of ordered dicts", self.copied, current().fields)
        return _table(args[0])

    def marked(self) -> list[Any]:
        """What lies above the last mark, which is taken off too."""
        for i in range(len(self.stack) - 1, -1, -1):
            if self.stack[i] is _MARK:
                items = self.stack[i + 1 :]
                del self.stack[i:]
                return items
        raise IndexError


def _referred(id: Any) -> Any:
    """A storage; or a class, to which the old form of whole modules adds its source text."""
    if isinstance(id, tuple) and len(id) > 1 and isinstance(id[0], str) and id[0] == "module" and isinstance(id[1], Name):
        return id[1]
    return Stored(id)


def _operations(stream: IO[bytes]) -> Iterator[tuple[str, Any]]:
    try:
        for op, arg, _ in pickletools.genops(stream):
            yield op.name, arg
    except (ValueError, IndexError, UnicodeDecodeError, OverflowError, AttributeError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"the pickle is corrupt or truncated ({error}).") from error


def _key(key: Any) -> Any:
    """A key of a dict. A tuple is none: nested in itself by the memo, it would take for ever to be hashed or shown."""
    if not isinstance(key, str | bytes | float | None) and not (isinstance(key, int) and abs(key) < 1 << 64):
        raise FormatError("the pickle has a dict whose keys are neither texts nor numbers.")
    return key


def _table(pairs: Iterable[Any]) -> dict[Any, Any]:
    return {_key(key): value for key, value in pairs}


def short(value: Any) -> str:
    """What a pickle holds, for an error: never longer than a line, however it is nested."""
    return str(value) if isinstance(value, Name) else reprlib.repr(value)[:60]


def _items(target: Any) -> dict[Any, Any]:
    return target.items if isinstance(target, Made) else target
