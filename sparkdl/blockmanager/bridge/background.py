"""A Spark job in a thread of its own, so that the main thread can look at other things and be interrupted."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from typing import Any, NamedTuple


class Background:
    """``work()`` under a tag by which its jobs can be cancelled."""

    def __init__(self, spark: Any, work: Callable[[], Any]) -> None:
        self.tag = f"sparkdl-{secrets.token_hex(8)}"
        self._tags = _tags(spark)
        self.done = threading.Event()
        self._work = work
        self._result: Any = None
        self._error: BaseException | None = None
        threading.Thread(target=self._run, name="sparkdl-job", daemon=True).start()

    def _run(self) -> None:
        try:
            self._tags.add(self.tag)  # tags belong to the thread that starts the job
            self._result = self._work()
        except BaseException as error:
            self._error = error
        finally:
            self.done.set()

    def result(self) -> Any:
        """What the work returned; raises the error with which it ended."""
        if self._error is not None:
            raise self._error
        return self._result

    def cancel(self, wait: float) -> None:
        """Ends the job if it still runs, and waits at most so many seconds for that."""
        if not self.done.is_set():
            self._tags.cancel(self.tag)
            self.done.wait(wait)


class _Tags(NamedTuple):
    add: Callable[[str], None]
    cancel: Callable[[str], Any]


def _tags(spark: Any) -> _Tags:
    """Of the context where there is one: a session's own can be interrupted only by the thread that has added them."""
    if hasattr(spark, "_jsparkSession"):
        return _Tags(spark.sparkContext.addJobTag, spark.sparkContext.cancelJobsWithTag)
    return _Tags(spark.addTag, spark.interruptTag)  # Spark Connect: the server knows them by session
