"""What a pickle would build, found by reading its opcodes. Nothing is imported, called or executed.

Names of classes and functions become ``Name``, calls become ``Made``; only calls of a fixed list (tensors, parameters,
ordered dicts) are given a meaning by the reader of ``.pt`` files.
"""

from __future__ import annotations

import pickletools
from collections.abc import Iterator
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
        return f"{self.module}.{self.name}"


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
            stack.append(dict(zip(items[::2], items[1::2], strict=True)) if op == "DICT" else made)
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
            stack.append(Name(str(module), str(name)))
        elif op in ("REDUCE", "NEWOBJ"):
            args = stack.pop()
            stack.append(_called(stack.pop(), args))
        elif op == "NEWOBJ_EX":
            stack.pop()
            args = stack.pop()
            stack.append(_called(stack.pop(), args))
        elif op == "BUILD":
            state = stack.pop()
            if isinstance(stack[-1], Made):
                stack[-1].state = state
        elif op in ("BINPERSID", "PERSID"):
            stack.append(Stored(stack.pop() if op == "BINPERSID" else arg))
        elif op == "SETITEM":
            value, key = stack.pop(), stack.pop()
            _items(stack[-1])[key] = value
        elif op == "SETITEMS":
            items = self.marked()
            _items(stack[-1]).update(zip(items[::2], items[1::2], strict=True))
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

    def marked(self) -> list[Any]:
        """What lies above the last mark, which is taken off too."""
        for i in range(len(self.stack) - 1, -1, -1):
            if self.stack[i] is _MARK:
                items = self.stack[i + 1 :]
                del self.stack[i:]
                return items
        raise IndexError


def _operations(stream: IO[bytes]) -> Iterator[tuple[str, Any]]:
    try:
        for op, arg, _ in pickletools.genops(stream):
            yield op.name, arg
    except (ValueError, IndexError, UnicodeDecodeError, OverflowError, AttributeError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"the pickle is corrupt or truncated ({error}).") from error


def _called(function: Any, args: Any) -> Any:
    if isinstance(function, Name) and str(function) == "collections.OrderedDict":
        return dict(args[0]) if args and isinstance(args, tuple) and isinstance(args[0], list) else {}
    return Made(function, args)


def _items(target: Any) -> dict[Any, Any]:
    return target.items if isinstance(target, Made) else target
