"""Protobuf's text format, read into messages and written from them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NoReturn

from sparkdl.errors import FormatError
from sparkdl.importers.caffe.message import Message
from sparkdl.importers.caffe.schema import ENUMS, MESSAGES, Field
from sparkdl.importers.limits import current, read_file, reading, within

_TOKEN = re.compile(
    # possessive, since every step that could be taken back would cost memory
    r"""(?P<skip>(?:[ \t\r\n\f\v]++|\#[^\n]*+)++)
    |(?P<text>"(?:[^"\\\n]++|\\.)*+"|'(?:[^'\\\n]++|\\.)*+')
    |(?P<number>-?(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[fF]?)(?![\w.]))
    |(?P<name>-?[A-Za-z_][\w.]*|\[[\w./]+\])
    |(?P<mark>[{}<>:;,\[\]-])""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "'": "'", "\\": "\\"}


def load_text(path: str | Path, type: str) -> Message:
    """The message of a text file."""
    with reading(path):
        raw = read_file(path, current().text)
        try:
            return parse(raw.decode("utf-8-sig"), type)
        except UnicodeDecodeError:
            raise FormatError(f"{path} is not text in the protobuf text format.") from None


def parse(text: str, type: str) -> Message:
    """The message that ``text`` writes down; fields that the schema does not have are noted in ``unknown``."""
    return _Parser(text).message(type)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text, self.at, self.count = text, 0, 0
        self.kind, self.value = "", ""
        self.start = 0
        self.step()

    # -- tokens ----------------------------------------------------------------------------------------------------
    def step(self) -> None:
        while self.at < len(self.text):
            match = _TOKEN.match(self.text, self.at)
            self.start = self.at
            if match is None:
                self.fail(f"cannot read {self.text[self.at : self.at + 20]!r}")
            self.at = match.end()
            if match.lastgroup != "skip":
                self.kind, self.value = str(match.lastgroup), match.group()
                self.count += 1
                within("tokens of the text", self.count, current().fields)
                return
        self.start, self.kind, self.value = self.at, "end", ""

    def fail(self, why: str) -> NoReturn:
        line = self.text.count("\n", 0, self.start) + 1
        raise FormatError(f"line {line}: {why}.")

    def accept(self, mark: str) -> bool:
        if self.kind == "mark" and self.value == mark:
            self.step()
            return True
        return False

    # -- grammar ---------------------------------------------------------------------------------------------------
    def message(self, type: str | None, closing: str = "", depth: int = 0) -> Message:
        within("nested messages", depth, current().depth)
        message = Message(type or "EngineParameter")
        fields = MESSAGES[type] if type else {}
        while not (self.kind == "end" and not closing) and not (closing and self.accept(closing)):
            if self.kind != "name":
                self.fail(f"expected a field name{' or ' + closing if closing else ''}, got {self.value or 'the end'!r}")
            name = self.value.strip("[]")
            field = fields.get(name)
            if field is None:
                message.unknown.append(name)
            self.step()
            self.field(message, field, depth)
            if not self.accept(";"):
                self.accept(",")
        return message

    def field(self, message: Message, field: Field | None, depth: int) -> None:
        colon = self.accept(":")
        if self.accept("["):
            while not self.accept("]"):
                self.value_into(message, field, depth)
                if not self.accept(",") and not (self.kind == "mark" and self.value == "]"):
                    self.fail("expected , or ] in a list")
            return
        if not colon and not (self.kind == "mark" and self.value in "{<"):
            self.fail(f"expected : or {{ after a field name, got {self.value or 'the end'!r}")
        self.value_into(message, field, depth)

    def value_into(self, message: Message, field: Field | None, depth: int) -> None:
        nested = field is not None and field.type in MESSAGES
        for opening, closing in (("{", "}"), ("<", ">")):
            if self.kind == "mark" and self.value == opening:
                if field is not None and not nested and field.type != "any":
                    self.fail(f"{field.name} is a single value, not a message")
                self.step()
                inner = self.message(field.type if field is not None and nested else None, closing, depth + 1)
                if field is not None and nested:
                    message.add(field.name, inner)
                return
        if nested:
            self.fail(f"{field.name} is a message; expected {{")  # type: ignore[union-attr]
        value = self.scalar(field)
        if field is not None:
            message.add(field.name, value)

    def scalar(self, field: Field | None) -> Any:
        kind, text = self.kind, self.value
        if kind == "mark" and text == "-":  # a sign apart from its number
            self.step()
            value = self.scalar(field)
            return -value if isinstance(value, int | float) else self.fail("- before something that is no number")
        if kind not in ("text", "number", "name"):
            self.fail(f"expected a value, got {text or 'the end'!r}")
        if kind == "text":
            parts = []
            while self.kind == "text":  # neighbours are joined
                parts.append(_unescape(self.value[1:-1]))
                self.step()
            if field is not None and field.type not in ("string", "any"):
                self.fail(f"{field.name} takes {field.type}, got a string")
            return "".join(parts)
        self.step()
        return text if field is None else self.typed(field, kind, text)

    def typed(self, field: Field, kind: str, text: str) -> Any:
        if field.type == "any":
            return text
        if field.type == "bool" and text in ("true", "True", "t", "1", "false", "False", "f", "0"):
            return text in ("true", "True", "t", "1")
        if field.type == "int" and kind == "number":
            try:
                return within(field.name, abs(n := int(text, 0) if "x" in text.lower() else int(text)), 1 << 62) and n
            except ValueError:
                pass
        if field.type in ("float", "double"):
            try:
                return float(text.rstrip("fF") if kind == "number" and "x" not in text.lower() else text)
            except ValueError:
                pass
        if field.type in ENUMS:
            if text in ENUMS[field.type]:
                return text
            for name, number in ENUMS[field.type].items():
                if kind == "number" and text == str(number):
                    return name
            self.fail(f"{field.name} is one of {', '.join(ENUMS[field.type])}, got {text}")
        return self.fail(f"{field.name} takes {field.type}, got {text}")


def _unescape(text: str) -> str:
    return re.sub(r"\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|.)", _one_escape, text) if "\\" in text else text


def _one_escape(match: re.Match[str]) -> str:
    code = match.group(1)
    if code[0] == "x":
        return chr(int(code[1:], 16))
    return chr(int(code, 8)) if code[0] in "01234567" else _ESCAPES.get(code, code)


def write(message: Message, indent: str = "") -> str:
    """The text form of ``message``."""
    lines = []
    for name, values in message.fields.items():
        field = message.spec(name)
        for value in values if field.repeated else [values]:
            if isinstance(value, Message):
                inner = write(value, indent + "  ")
                lines.append(f"{indent}{name} {{\n{inner}{indent}}}\n")
            else:
                lines.append(f"{indent}{name}: {_shown(field, value)}\n")
    return "".join(lines)


def _shown(field: Field, value: Any) -> str:
    if field.type == "bool":
        return "true" if value else "false"
    if field.type == "string":
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{escaped}"'
    return f"{float(value):.9g}" if field.type in ("float", "double") else str(value)
