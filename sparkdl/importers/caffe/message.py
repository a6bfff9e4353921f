"""A message: named fields with the types and defaults of the schema."""

from __future__ import annotations

from typing import Any

from sparkdl.importers.caffe.schema import MESSAGES, Field


class Message:
    """``m["name"]`` is a field's value or its default, a list for repeated fields; ``"name" in m`` whether it was given."""

    __slots__ = ("type", "fields", "unknown")

    def __init__(self, kind: str, /, **fields: Any) -> None:
        self.type = kind
        self.fields: dict[str, Any] = {}
        self.unknown: list[str] = []  # names of fields that the schema does not have
        for name, value in fields.items():
            self[name] = value

    def spec(self, name: str) -> Field:
        return MESSAGES[self.type][name]

    def __contains__(self, name: str) -> bool:
        return name in self.fields

    def __getitem__(self, name: str) -> Any:
        field = self.spec(name)
        if name in self.fields:
            return self.fields[name]
        if field.repeated:
            return []
        return Message(field.type) if field.type in MESSAGES else field.default

    def __setitem__(self, name: str, value: Any) -> None:
        if self.spec(name).repeated and not isinstance(value, list):
            raise TypeError(f"{self.type}.{name} is repeated and takes a list.")
        self.fields[name] = value

    def add(self, name: str, value: Any) -> None:
        """Appends to a repeated field; a single one keeps the last value, and messages given twice are merged."""
        if self.spec(name).repeated:
            self.fields.setdefault(name, []).append(value)
        elif isinstance(value, Message) and name in self.fields:
            self.fields[name].merge(value)
        else:
            self.fields[name] = value

    def merge(self, other: Message) -> None:
        for name, value in other.fields.items():
            for each in value if self.spec(name).repeated else [value]:
                self.add(name, each)
        self.unknown += other.unknown

    def all_unknown(self) -> list[str]:
        """The unknown fields of this message and of those in it, as paths."""
        found = list(self.unknown)
        for name, value in self.fields.items():
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, Message):
                    found += [f"{name}.{inner}" for inner in each.all_unknown()]
        return found

    def copy(self) -> Message:
        """A copy whose fields may be changed; the values are shared."""
        new = Message(self.type)
        new.fields = {k: list(v) if isinstance(v, list) else v for k, v in self.fields.items()}
        new.unknown = list(self.unknown)
        return new

    def __repr__(self) -> str:
        inner = ", ".join(f"{k}={v!r}" for k, v in self.fields.items())
        return f"{self.type}({inner})"
