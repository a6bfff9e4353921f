"""A Spark job in a thread of its own, so that the main thread can look at other things and be interrupted."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from typing import Any


class Background:
    """``work()`` under a tag by which its jobs can be cancelled."""

    def __init__(self, spark: Any, work: Callable[[], Any]) -> None:
        self.spark, self.tag = spark, f"sparkdl-{secrets.token_hex(8)}"
        self.done = threading.Event()
        self._work = work
        self._result: Any = None
        self._error: BaseException | None = None
        threading.Thread(target=self._run, name="sparkdl-job", daemon=True).start()

    def _run(self) -> None:
        try:
            self.spark.addTag(self.tag)  # tags belong to the thread that starts the job
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
            self.spark.interruptTag(self.tag)
            self.done.wait(wait)
