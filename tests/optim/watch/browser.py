"""A real Chromium, driven by playwright; tests skip with the reason where one of the two is missing."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

NAMES = "chromium-headless-shell", "chromium", "google-chrome", "chromium-browser", "chrome"


def until(page: Any, holds: Callable[[], bool], seconds: float = 60.0) -> None:
    """Waits until it holds. (Playwright's own waiting evaluates text, which the page's policy refuses.)"""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it does not come to hold"
        page.wait_for_timeout(50)


@contextmanager
def chromium(**options: Any) -> Iterator[Any]:
    """A page in a browser of its own. ``page.errors`` are what the console or a script complained of, ``page.asked``
    the addresses that were asked for.
    """
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip("no Chromium is installed: apt-get install chromium-headless-shell, or set CHROMIUM to one")
    with api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            page = browser.new_page(**options)
            page.errors, page.asked = [], []
            page.on(
                "console", lambda said: page.errors.append(said.text) if said.type in ("error", "warning") else None
            )
            page.on("pageerror", lambda error: page.errors.append(str(error)))
            page.on("request", lambda request: page.asked.append(request.url))
            yield page
        finally:
            browser.close()
