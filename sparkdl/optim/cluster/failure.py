"""A task's exception on its way to the driver: as text, never as pickled code. And whether to try again."""

from __future__ import annotations

import base64
import builtins
import json
import re
import traceback
import zlib
from typing import Any

import sparkdl.errors
from sparkdl.errors import ClusterError

MARK = "sparkdl-failure:"
LONGEST = 8000  # characters of a traceback: a note holds 16 KiB
FAULTS = ("BlockError", "ClusterError", "Refusal")  # of what a task raises when another one, or its executor, has gone
BARRIER = "Most recent failure reason:"  # before it stands what Spark says of every barrier stage that has failed
USERS = ("Traceback (most recent call last)", "SQLSTATE: 22")
"""What Spark says when Python code raised, or an expression refused its data (SQLSTATE's class 22). What looks like a
sign of a fault may then be part of the user's own message.
"""
CUT_OFF = re.compile(
    r"java\.io\.EOFException.*(\n\s+at (java\.base/)?java\.io\..*)*"
    r"\n\s+at (java\.base/java\.util\.zip|org\.apache\.(hadoop\.io\.(compress|SequenceFile)|parquet|orc|avro))\b"
)
"""A file of the user's data that ends too soon: its decompressor or reader says so, not a connection's."""
SIGNS = (
    "ExecutorLostFailure",
    "xecutor lost",
    "Lost executor",
    "Python worker exited unexpectedly",
    "heartbeat timed out",
    "Remote RPC client disassociated",
    "decommission",
    "FetchFailed",
    "MetadataFetchFailed",
    "TaskResultLost",
    "TaskKilled (",
    "Resubmitted (",
    "java.lang.OutOfMemoryError",
    "Failed to connect to",
    "ClosedChannelException",
    "Connection reset",
    "java.io.EOFException",
)
"""What Spark says when it was not the code of a task that failed; first what says most about why."""


class TaskFailure(Exception):
    """Carries a description of the real exception through Spark's error text."""


class Lost(Exception):
    """The stage ended, or has to end, by a fault that is none of the user's; the cause says which."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(reason(cause))
        self.__cause__ = cause


def describe(error: BaseException, rank: int) -> TaskFailure:
    """What a task raises in place of ``error``."""
    trace = "".join(traceback.format_exception(error))
    text = {
        "type": type(error).__name__,
        "message": str(error)[:LONGEST],
        "notes": list(getattr(error, "__notes__", ())),
        "rank": rank,
        "traceback": trace if len(trace) <= LONGEST else f"...{trace[-LONGEST:]}",
    }
    return TaskFailure(
        f"{text['type']}: {error}\n{MARK}{base64.b64encode(zlib.compress(json.dumps(text).encode())).decode()}:end"
    )


def find(error: object) -> dict[str, Any] | None:
    """The description inside the error that Spark reports for a failed job, or inside a note."""
    text = str(error)
    at = text.find(MARK)
    if at < 0:
        return None
    body = text[at + len(MARK) :].partition(":end")[0]
    try:
        return json.loads(zlib.decompress(base64.b64decode(body)))
    except (ValueError, zlib.error):  # Spark cut the text short
        return None


def is_fault(error: BaseException, found: dict[str, Any] | None) -> bool:
    """Whether training may go on from a snapshot: an executor, a worker or a peer was lost. Other errors come again.

    ``error``: that with which Spark ended a job; ``found``: the description of a task's exception in it, if any.
    """
    if found is not None:
        return found["type"] in FAULTS
    text = _why(error)
    if any(f"{TaskFailure.__name__}: {name}: " in text for name in FAULTS):  # Spark cut the description short
        return True
    if CUT_OFF.search(text) or any(sign in text for sign in USERS):
        return False
    return any(sign in text for sign in SIGNS)


def reason(error: BaseException) -> str:
    """One line that tells what went wrong, out of the many that Spark tells."""
    lines = [line.strip() for line in _why(error).splitlines() if line.strip()] or [type(error).__name__]
    for sign in SIGNS:
        for line in lines:
            if sign in line:
                return line
    return lines[0]


def _why(error: BaseException) -> str:
    """What Spark says but for its preface."""
    text, barrier, why = str(error).partition(BARRIER)
    return why if barrier else text


def as_elsewhere(error: BaseException) -> BaseException:
    """A user's error in a barrier stage, of which Spark gives the text only, as Spark raises it in other stages."""
    import pyspark.errors

    kind, colon, message = _why(error).partition("\n")[2].partition(": ")
    name = kind.strip().rpartition(".")[2]
    found = getattr(pyspark.errors, name, None) or getattr(pyspark.errors, name.removeprefix("Spark"), None)
    if BARRIER not in str(error) or not colon or found is None:
        return error
    return found(message.partition("\n\tat ")[0])


def restore(found: dict[str, Any]) -> BaseException:
    """An exception of the task's type (ours or a builtin; else ClusterError), with its traceback as a note."""
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
