"""The page as one self-contained text: style, script and data are in it, and nothing is loaded from anywhere."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

LIVE = '{"live":true}'


def document(record: str = LIVE) -> str:
    """The page around ``record`` (JSON of `Record.since`), or the one that asks its server for it."""
    before, after = _frame()
    return f"{before}{escaped(record)}{after}"


def escaped(text: str) -> str:
    """JSON that may stand inside ``<script>``: nothing in it can end the element or begin another."""
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@cache
def _frame() -> tuple[str, str]:
    assets = files("sparkdl.optim.watch") / "assets"
    text = {name: (assets / name).read_text("utf-8") for name in ("page.html", "page.css", "chart.js", "page.js")}
    style, script = text["page.css"], f'"use strict";\n{text["chart.js"]}\n{text["page.js"]}'
    page = text["page.html"]
    parts = {"style_hash": _hash(style), "script_hash": _hash(script), "style": style, "script": script}
    for name, part in parts.items():
        page = page.replace("{{" + name + "}}", part)
    before, after = page.split("{{record}}")
    return before, after


def _hash(text: str) -> str:
    """As a Content-Security-Policy names what may run."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
