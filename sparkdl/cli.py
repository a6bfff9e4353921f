"""The ``sparkdl`` command: ``doctor``, ``summary``, ``convert``, ``counts``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import sparkdl
from sparkdl.errors import SparkDLError, UnsupportedError

if TYPE_CHECKING:
    from sparkdl.nn import Module

READERS = {
    **dict.fromkeys((".keras", ".h5", ".hdf5", ".json", ".yaml", ".yml"), "load_keras"),
    ".prototxt": "load_caffe",
}
"""Which function of ``sparkdl.importers`` reads which kind of file."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="sparkdl", description=sparkdl.__doc__)
    parser.add_argument("--version", action="version", version=sparkdl.__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")

    command = commands.add_parser("doctor", help="check Java, Spark, the door, kernels, threads, caches; with remedies")
    command.add_argument("--master", help="the Spark master to try; by default that of Spark's own configuration")
    command.add_argument("--patience", type=float, help="seconds to wait for Spark (default: 13.5)")
    command.set_defaults(run=_doctor)

    files = "a model that was saved here (a folder), or a Keras or Caffe file"
    command = commands.add_parser("summary", help="print the layers, shapes and sizes of a model file")
    command.add_argument("file", type=Path, help=files)
    command.add_argument("--weights", type=Path, help="the file of the weights, where it is another one")
    command.add_argument("--shape", type=_shape, help="the input's shape without the batch, e.g. 3,224,224")
    command.set_defaults(run=_summary)

    command = commands.add_parser("convert", help="turn a model file into a saved model of this library")
    command.add_argument("file", type=Path, help=files)
    command.add_argument("target", type=Path, help="the folder to write")
    command.add_argument("--weights", type=Path, help="the file of the weights, where it is another one")
    command.set_defaults(run=_convert)

    command = commands.add_parser("counts", help="how many layers, losses, rules and so on there are, beside BigDL's")
    command.add_argument("--names", action="store_true", help="name them")
    command.set_defaults(run=_counts)

    options = parser.parse_args(arguments)
    try:
        return int(options.run(options))
    except (SparkDLError, OSError, ImportError) as error:
        print(f"sparkdl {options.command}: {error}", file=sys.stderr)
        return 1


def _doctor(options: argparse.Namespace) -> int:
    from sparkdl.doctor import PATIENCE, examine, report

    findings = report(examine(master=options.master, patience=options.patience or PATIENCE))
    return int(any(finding.state == "fail" for finding in findings))


def _summary(options: argparse.Namespace) -> int:
    model = _read(options.file, options.weights)
    print(model.summary(options.shape) if options.shape else model)
    return 0


def _shape(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(size) for size in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected whole numbers with commas between them, got {text!r}") from None


def _convert(options: argparse.Namespace) -> int:
    model = _read(options.file, options.weights)
    model.save(options.target)
    print(f"saved in {options.target}: {sum(p.size for p in model.parameters()):,} parameters")
    return 0


def _counts(options: argparse.Namespace) -> int:
    from sparkdl.counts import table

    print(table(options.names))
    return 0


def _read(file: Path, weights: Path | None) -> Module:
    """The model in a file or folder of any known kind."""
    from sparkdl import importers, nn

    if file.is_dir() and weights is None:
        return nn.load(file)
    if not file.exists():
        raise FileNotFoundError(f"{file} does not exist.")
    reader = READERS.get(file.suffix.lower())
    if reader is None:
        known = ", ".join(READERS)
        raise UnsupportedError(f"{file}: the ending {file.suffix!r} is not known; known are {known} and saved folders.")
    return getattr(importers, reader)(file, weights)


if __name__ == "__main__":
    sys.exit(main())
