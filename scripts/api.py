"""Writes the reference in docs/api/ from the docstrings: one page per package.

    python scripts/api.py            # writes the pages
    python scripts/api.py --check    # says which pages are out of date; exit status 1 if any is

A name without a docstring is an error.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "api"
Kind = tuple[str, Callable[[Any], bool]]


def pages() -> dict[str, str]:
    """``{file name: text}`` of the whole reference."""
    packages = list(_packages("sparkdl"))
    made = {f"{_short(package)}.md": _page(package) for package in packages}
    lines = ["# Reference", "", "Made from the docstrings by `python scripts/api.py`.", ""]
    for package in packages:
        lines.append(f"- [{package.__name__}]({_short(package)}.md): {_summary(package)}")
    names = sorted((ROOT / "docs" / "names").glob("*.md"))
    lines += ["", "`sparkdl counts --names` lists all kinds beside how many BigDL has."]
    lines += ["", "What BigDL, Torch7 and Keras call these things:"]
    lines += [""] + [f"- [{path.stem.replace('_', ' ')}](../names/{path.name})" for path in names]
    return {"README.md": "\n".join(lines) + "\n", **made}


def _packages(name: str) -> Iterator[ModuleType]:
    """The package's public modules that offer names, itself first, depth first."""
    module = importlib.import_module(name)
    if name != "sparkdl":
        yield module
    for each in sorted(getattr(module, "__all__", ())):
        if isinstance(thing := getattr(module, each), ModuleType) and hasattr(thing, "__all__"):
            yield from _packages(thing.__name__)


def _short(package: ModuleType) -> str:
    return package.__name__.removeprefix("sparkdl.")


def _summary(thing: Any) -> str:
    return _doc(thing).split("\n\n")[0].replace("\n", " ")


def _page(package: ModuleType) -> str:
    things = {n: t for n in sorted(package.__all__) if not isinstance(t := getattr(package, n), ModuleType)}
    lines = [f"# {package.__name__}", "", *_body(_doc(package))]
    kinds = _kinds(package)
    for title, belongs in kinds:
        mine = {name: thing for name, thing in things.items() if belongs(thing)}
        things = {name: thing for name, thing in things.items() if name not in mine}
        if mine:
            lines += ["", f"## {title}"] if len(kinds) > 1 else []
            for name, thing in mine.items():
                lines += ["", *_entry(name, thing)]
    return "\n".join(lines) + "\n"


def _kinds(package: ModuleType) -> list[Kind]:
    """Headings of the page, each with what stands under it; the first that fits takes a thing."""
    from sparkdl import nn, optim

    def of(*bases: type) -> Callable[[Any], bool]:
        return lambda thing: isinstance(thing, type) and issubclass(thing, bases)

    rest: Kind = ("Else", lambda thing: True)
    if package is nn:
        return [("Layers and modules", of(nn.Module)), ("Losses", of(nn.Loss)), rest]
    if package is optim:
        return [
            ("Update rules", of(optim.UpdateRule)), ("Schedules", of(optim.Schedule)), ("Triggers", of(optim.Trigger)),
            ("Metrics", of(optim.Metric)), ("Clipping and regularisers", of(optim.Clip, optim.Regularizer)), rest,
        ]  # fmt: skip
    return [("All", lambda thing: True)]


def _entry(name: str, thing: Any) -> list[str]:
    if not inspect.isclass(thing) and not callable(thing):
        return [f"### {name}", "", f"`{type(thing).__name__}`"]
    lines = [f"### {name}", "", "```python", f"{name}{_signature(thing)}", "```", "", *_body(_doc(thing))]
    for method, function in vars(thing).items() if inspect.isclass(thing) else ():
        if method[0] != "_" and _documented(function):
            lines += ["", f"**{_call(method, function)}**", "", *_body(inspect.getdoc(function) or "")]
    return lines


def _documented(member: Any) -> bool:
    function = member.__func__ if isinstance(member, staticmethod | classmethod) else member
    return (inspect.isfunction(function) or isinstance(function, property)) and bool(function.__doc__)


def _call(name: str, member: Any) -> str:
    if isinstance(member, property):
        return f"`{name}`"
    function = member.__func__ if isinstance(member, staticmethod | classmethod) else member
    return f"`{name}{_signature(function)}`"


def _signature(thing: Any) -> str:
    """The call, without types, whose spelling differs between versions of Python."""
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):
        return "(...)"
    bare = [p.replace(annotation=p.empty) for n, p in signature.parameters.items() if n not in ("self", "cls")]
    text = str(inspect.Signature(bare))
    return re.sub(r"<(function|class) '?([\w.<>]+)'?( at 0x[0-9a-f]+)?>", lambda m: m[2].rpartition(".")[2], text)


def _doc(thing: Any) -> str:
    doc = inspect.getdoc(thing)
    if not doc:
        raise SystemExit(f"api: {getattr(thing, '__name__', thing)} has no docstring.")
    return doc


def _body(doc: str) -> list[str]:
    """A docstring as Markdown: headings in bold, tables and examples as they stand."""
    lines: list[str] = []
    for paragraph in re.split(r"\n\s*\n", doc.strip("\n")):
        rows = paragraph.split("\n")
        if len(rows) > 1 and re.fullmatch(r"-+", rows[1].strip()):
            lines += [f"**{rows[0].strip()}**", ""]
            rows = rows[2:]
        if not rows:
            continue
        if rows == ["::"]:
            continue
        aligned = any(re.match(r"\s{2,}|\S+(, \S+)*\s{2,}\S", row) for row in rows)
        lines += ["```text", *rows, "```", ""] if aligned else [*rows, ""]
    return lines[:-1]


def main(arguments: list[str]) -> int:
    made = pages()
    known = {path.name: path.read_text() for path in FOLDER.glob("*.md")}
    if "--check" in arguments:
        stale = sorted(name for name in made.keys() | known.keys() if made.get(name) != known.get(name))
        print("\n".join(f"docs/api/{name} is out of date" for name in stale) or "docs/api is up to date")
        return int(bool(stale))
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in known.keys() - made.keys():
        (FOLDER / name).unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text)
    print(f"{len(made)} pages in {FOLDER.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
