"""A task's exception on its way to the driver: as text, never as pickled code."""

from __future__ import annotations

import base64
import builtins
import json
import traceback
import zlib
from typing import Any

import sparkdl.errors
from sparkdl.errors import ClusterError

MARK = "sparkdl-failure:"


class TaskFailure(Exception):
    """Carries a description of the real exception through Spark's error text."""


def describe(error: BaseException, rank: int) -> TaskFailure:
    """What a task raises in place of ``error``."""
    text = {
        "type": type(error).__name__,
        "message": str(error),
        "notes": list(getattr(error, "__notes__", ())),
        "rank": rank,
        "traceback": "".join(traceback.format_exception(error)),
    }
    return TaskFailure(
        f"{text['type']}: {error}\n{MARK}{base64.b64encode(zlib.compress(json.dumps(text).encode())).decode()}:end"
    )


def find(error: BaseException) -> dict[str, Any] | None:
    """The description inside the error that Spark reports for a failed job, if a task of ours failed."""
    text = str(error)
    at = text.find(MARK)
    if at < 0:
        return None
    body = text[at + len(MARK) :].partition(":end")[0]
    try:
        return json.loads(zlib.decompress(base64.b64decode(body)))
    except (ValueError, zlib.error):  # Spark cut the text short
        return None


def restore(found: dict[str, Any]) -> BaseException:
    """An exception of the type that the task raised (ours or a builtin; else ClusterError), with its traceback as a note."""
    kind = getattr(sparkdl.errors, found["type"], None) or getattr(builtins, found["type"], None)
    message = found["message"]
    if not (isinstance(kind, type) and issubclass(kind, Exception)):
        kind, message = ClusterError, f"{found['type']}: {message}"
    try:
        error = kind(message)
    except TypeError:  # a builtin whose constructor takes more, as UnicodeDecodeError
        error = ClusterError(f"{found['type']}: {message}")
    for note in found["notes"]:
        error.add_note(note)
    error.add_note(f"raised by task {found['rank']}:\n{found['traceback']}")
    return error
