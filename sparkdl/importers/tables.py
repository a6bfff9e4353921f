"""Tables of the layers that importers know, made from the converters themselves.

``python -m sparkdl.importers.tables docs/importers.md`` writes them into the page, between its two marks.
"""

from __future__ import annotations

import sys
from pathlib import Path

BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"


def tables() -> str:
    """Both tables as Markdown."""
    from sparkdl.importers.caffe.net import DATA, LOSSES, METRICS, SINKS
    from sparkdl.importers.caffe.table import table as caffe
    from sparkdl.importers.keras.table import table as keras

    caffe_rows = [(kind, entry.note) for kind, entry in caffe().items()]
    caffe_rows += [(kind, "becomes an input") for kind in DATA]
    caffe_rows += [(kind, "left out; what it reads is an output (and a loss for solvers)") for kind in LOSSES]
    caffe_rows += [(kind, "left out") for kind in METRICS | SINKS]
    keras_rows = [(kind, entry.note) for kind, entry in keras().items() if not kind.startswith("ops.")]
    operations = sorted(kind[4:] for kind in keras() if kind.startswith("ops."))
    return "\n".join(
        [
            "### Caffe layers", "", *_table(caffe_rows), "", "### Keras layers (newest names)", "", *_table(keras_rows), "",
            "### Operations in functional models", "", ", ".join(operations) + ".", "",
        ]  # fmt: skip
    )


def _table(rows: list[tuple[str, str]]) -> list[str]:
    """Rows sorted by name; layers with one note stand together."""
    notes: dict[str, list[str]] = {}
    for name, note in sorted(set(rows), key=lambda row: (row[0].lower(), row)):
        notes.setdefault(note, []).append(name)
    lines = ["| layers | notes |", "|---|---|"]
    return lines + [f"| {', '.join(names)} | {note} |" for note, names in sorted(notes.items(), key=lambda item: (item[1][0].lower(), item))]


def updated(page: str) -> str:
    """The page with today's tables."""
    head, _, rest = page.partition(BEGIN)
    return f"{head}{BEGIN}\n{tables()}{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(updated(path.read_text()))
