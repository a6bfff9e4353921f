"""Mutated model files, to show that a bad file gives one clear error within bounded time and memory.

``python -m sparkdl.importers.fuzz --count 20000 --format caffemodel FILES...`` mutates the files and loads each result in
a child process. A load may succeed or raise one of the library's errors; any other exception, a crash, a load of
more than ``--seconds`` of processor time (a busy machine is no finding) or a resident memory of more than ``--memory`` GiB is
a finding, whose file is kept in ``--keep``. Without files, those under ``$SPARKDL_DATA`` are taken, else small ones are made.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sparkdl.errors import SparkDLError
from sparkdl.importers.fuzz_seeds import write_seeds
from sparkdl.importers.limits import limits

_NUMBERS = (0, 1, 2, 127, 128, 255, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63 - 1, 2**64 - 1)
_WORDS = (b"-1", b"0", b"99999999999999999999", b"1e308", b"nan", b"null", b"[]", b"{}", b'""', b"true", b"{" * 200, b"[" * 2000)
_LARGEST = 400_000  # bytes of a file to start from


# -- mutations -----------------------------------------------------------------------------------------------------
def mutated(data: bytes, draw: random.Random) -> bytes:
    """``data`` with a few random changes."""
    out = bytearray(data)
    for _ in range(draw.choice((1, 1, 1, 2, 3, 8))):
        draw.choice(_MUTATIONS)(out, draw)
    return bytes(out)


def _flip(out: bytearray, draw: random.Random) -> None:
    if out:
        out[draw.randrange(len(out))] ^= 1 << draw.randrange(8)


def _number(out: bytearray, draw: random.Random) -> None:
    size = draw.choice((1, 2, 4, 8))
    at = draw.randrange(max(len(out) - size, 1))
    out[at : at + size] = (draw.choice(_NUMBERS) & ((1 << 8 * size) - 1)).to_bytes(size, draw.choice(("little", "big")))


def _cut(out: bytearray, draw: random.Random) -> None:
    del out[draw.randrange(len(out) + 1) :]


def _remove(out: bytearray, draw: random.Random) -> None:
    at = draw.randrange(len(out) + 1)
    del out[at : at + draw.randrange(1, 64)]


def _repeat(out: bytearray, draw: random.Random) -> None:
    at = draw.randrange(len(out) + 1)
    part = out[at : at + draw.randrange(1, 512)]
    out[at:at] = part * draw.choice((1, 1, 2, 30))


def _word(out: bytearray, draw: random.Random) -> None:
    """A number or word of a text becomes another."""
    places = [i for i, byte in enumerate(out) if 48 <= byte <= 57]
    if places:
        start = draw.choice(places)
        stop = start
        while stop < len(out) and 48 <= out[stop] <= 57:
            stop += 1
        out[start:stop] = draw.choice(_WORDS)


def _swap(out: bytearray, draw: random.Random) -> None:
    a, b, size = draw.randrange(len(out) + 1), draw.randrange(len(out) + 1), draw.randrange(1, 32)
    out[a : a + size], out[b : b + size] = out[b : b + size], out[a : a + size]


_MUTATIONS = (_flip, _flip, _number, _number, _cut, _remove, _repeat, _word, _swap)


def mutated_archive(data: bytes, draw: random.Random) -> bytes:
    """A zip whose members, or whose own bytes, are changed."""
    if draw.random() < 0.3:
        return mutated(data, draw)
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        names = old.namelist()
        victim = draw.choice(names)
        for name in names:
            content = old.read(name)
            new.writestr(name, mutated(content, draw) if name == victim else content)
    return made.getvalue()


# -- formats ---------------------------------------------------------------------------------------------------------
def _load_prototxt(path: Path, seed: Path) -> None:
    from sparkdl.importers import load_caffe

    load_caffe(path)


def _load_caffemodel(path: Path, seed: Path) -> None:
    from sparkdl.importers import load_caffe

    beside = [p for p in sorted(seed.parent.glob("*.prototxt")) if "solver" not in p.name]
    load_caffe(next((p for p in beside if "deploy" in p.name), beside[0]), path)


def _load_keras(path: Path, seed: Path) -> None:
    from sparkdl.importers import load_keras

    load_keras(path)


def _load_torch(path: Path, seed: Path) -> None:
    from sparkdl.importers.torch.load import read_state

    read_state(path)


def _load_solver(path: Path, seed: Path) -> None:
    from sparkdl.importers.caffe.solver import read_solver

    read_solver(path)


# name -> patterns of files to start from, loader, mutation
FORMATS: dict[str, tuple[tuple[str, ...], Callable[[Path, Path], Any], Callable[[bytes, random.Random], bytes]]] = {
    "prototxt": (("caffe*/*/*.prototxt",), _load_prototxt, mutated),
    "caffemodel": (("caffe*/*/*.caffemodel",), _load_caffemodel, mutated),
    "caffehdf5": (("caffe*/*/*.caffemodel.h5",), _load_caffemodel, mutated),
    "keras-hdf5": (("keras*/*/model.h5", "keras*/*/*_model.h5"), _load_keras, mutated),
    "keras-json": (("keras*/*/model.json",), _load_keras, mutated),
    "keras": (("keras*/*/*.keras",), _load_keras, mutated_archive),
    "solver": (("caffe_text/**/*solver*.prototxt",), _load_solver, mutated),
    "safetensors": (("*.safetensors",), _load_torch, mutated),
    "pt": (("*.pt", "*.pth"), _load_torch, mutated),
}


def start_files(format: str, given: list[Path], folder: Path) -> list[Path]:
    """Files to start from: those given, else those of the recorded models, none larger than needed, else some made in
    ``folder``."""
    if given:
        return given
    root = Path(os.environ.get("SPARKDL_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
    found = [p for pattern in FORMATS[format][0] for p in sorted(root.glob(pattern))]
    return [p for p in found if p.stat().st_size <= _LARGEST] or found or write_seeds(format, folder)


# -- running -----------------------------------------------------------------------------------------------------------
class _TooLong(BaseException):
    pass


def _alarm(*_: Any) -> None:
    raise _TooLong


def run(format: str, seeds: list[Path], count: int, seed: int, seconds: int, memory: float, keep: Path) -> Counter[str]:
    """Loads ``count`` mutants in this process; how they ended, findings under ``"finding"``."""
    _, load, mutate = FORMATS[format]
    draw, outcomes = random.Random(seed), Counter[str]()
    contents = {path: path.read_bytes() for path in seeds}
    signal.signal(signal.SIGPROF, _alarm)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder, limits(unbacked=1 << 24):
        target = Path(folder) / f"mutant{seeds[0].suffix}"
        for _ in range(count):
            origin = draw.choice(seeds)
            data = mutate(contents[origin], draw)
            target.write_bytes(data)
            before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
            # compiled code that never returns gets no signal handled; the system ends it then
            resource.setrlimit(resource.RLIMIT_CPU, (int(started) + 3 * seconds + 2, resource.RLIM_INFINITY))
            signal.setitimer(signal.ITIMER_PROF, seconds)
            try:
                load(target, origin)
                outcome = "loaded"
            except SparkDLError as error:
                outcome = type(error).__name__
            except _TooLong:
                outcome = "finding: takes too long"
            except Exception as error:
                outcome = f"finding: {type(error).__name__}"
                traceback.print_exc(limit=-4)
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            if peak > before and peak / 2**20 > memory:
                outcome = f"finding: {peak / 2**20:.1f} GiB"
            outcomes["slowest, ms"] = max(outcomes["slowest, ms"], int(1000 * (time.process_time() - started)))
            outcomes["memory, MiB"] = peak // 1024
            outcomes[outcome] += 1
            if outcome.startswith("finding"):
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"{format}-{seed}-{sum(outcomes.values())}-{origin.parent.name}{origin.suffix}").write_bytes(data)
    return outcomes


def _child(connection: Any, *args: Any) -> None:
    connection.send(run(*args))
    connection.close()


def in_child(format: str, seeds: list[Path], count: int, seed: int, seconds: int, memory: float, keep: Path) -> Counter[str]:
    """``run`` in a process of its own, so that a crash is a finding too."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe(duplex=False)
    process = spawn.Process(target=_child, args=(theirs, format, seeds, count, seed, seconds, memory, keep))
    process.start()
    theirs.close()
    try:
        outcomes = ours.recv()
    except EOFError:
        outcomes = Counter({"finding: the process crashed": 1})
    process.join()
    return outcomes


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m sparkdl.importers.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, help="files to start from")
    parser.add_argument("--format", choices=FORMATS, action="append", help="one or several; all by default")
    parser.add_argument("--count", type=int, default=20_000, help="mutants per format")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=int, default=20, help="longest load that is no finding, in processor time")
    parser.add_argument("--memory", type=float, default=1.0, help="GiB of resident memory that are no finding")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-findings"), help="folder for files of findings")
    options = parser.parse_args(arguments)
    findings = 0
    for format in options.format or FORMATS:
        with tempfile.TemporaryDirectory() as folder:
            seeds = start_files(format, options.files, Path(folder))
            if not seeds:
                print(f"{format}: no files to start from")
                continue
            outcomes = in_child(format, seeds, options.count, options.seed, options.seconds, options.memory, options.keep)
        findings += sum(n for name, n in outcomes.items() if name.startswith("finding"))
        print(f"{format}: {options.count:,} mutants of {len(seeds)} files:", dict(outcomes), flush=True)
    return min(findings, 1)


if __name__ == "__main__":
    sys.exit(main())
