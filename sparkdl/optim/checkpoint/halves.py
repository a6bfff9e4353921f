"""Files that are being written, by names that say who does it: what a dead writer left can be told from all else.

    .step-0000000012.ckpt.<run>-<process>-<start>-<machine>.half

``run`` is one attempt of a training run, and the rest the process in which `fit` was called: its number, when it was
started (ticks since the machine was) and a name for the machine, or container, that counts processes.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import NamedTuple

from sparkdl.optim.checkpoint.files import Files

HALF = re.compile(r"\.(?:step-\d{10}|best)\.ckpt\.(\d+)-(\d+)-(\d+)-([0-9a-f]*)\.half")


class Writer(NamedTuple):
    """Who writes; see the module's docstring."""

    run: int
    process: int
    start: int
    machine: str

    def half(self, name: str) -> str:
        """The name of a checkpoint until it is whole."""
        return f".{name}.{'-'.join(map(str, self))}.half"


def writer(run: int) -> Writer:
    """Run ``run`` of this process."""
    return Writer(run, os.getpid(), _start(os.getpid()), _machine())


def sweep(files: Files, mine: Writer) -> list[str]:
    """Removes what dead writers have left in a folder, and names it.

    Dead is an earlier run of this process, in which one at a time writes into a folder, and any run of a process of
    this machine that has ended. What a process of another machine left stays: nobody here knows whether it lives.
    """
    gone = []
    for name in files.names():
        match = HALF.fullmatch(name)
        if match and _is_dead(Writer(int(match[1]), int(match[2]), int(match[3]), match[4]), mine):
            files.remove(name)
            gone.append(name)
    return gone


def _is_dead(other: Writer, mine: Writer) -> bool:
    if not mine.machine or other.machine != mine.machine:
        return False
    if other[1:] == mine[1:]:
        return other.run != mine.run
    return _start(other.process) != other.start


def _start(process: int) -> int:
    """When a process was started; 0 for one that is not there."""
    try:
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        return 0


def _machine() -> str:
    """A name for what counts this process, until it is started again; empty where there is no such thing."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text() + os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""
    return hashlib.sha256(boot.encode()).hexdigest()[:16]
