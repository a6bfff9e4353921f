"""Engines side by side: one process each, blocks of work in turn, the others asleep, ratios of paired blocks.

An engine is a top-level function ``engine(**options)`` that returns ``block() -> dict``: it does one block of work
and says ``{"seconds": per unit of work, ...}``. Rounds in which processes that are not ours took more than ``LOAD``
of a core are thrown away and counted.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

LOAD = 0.3  # cores that other work may take during a round
TICKS = os.sysconf("SC_CLK_TCK")


def _serve(pipe: Any, make: Callable[..., Callable[[], dict]], options: dict[str, Any], env: dict[str, str]) -> None:
    os.environ.update(env)
    try:
        block = make(**options)
        pipe.send(("ready", None))
        while pipe.recv() == "block":
            pipe.send(("done", block()))
        close = getattr(block, "close", None)
        if close is not None:
            close()
    except EOFError:
        pass
    except BaseException:
        pipe.send(("failed", traceback.format_exc()))


class Engine:
    """One engine in a process of its own."""

    def __init__(
        self, name: str, make: Callable[..., Callable[[], dict]], env: dict[str, str] | None = None, **options: Any
    ) -> None:
        self.name = name
        context = multiprocessing.get_context("spawn")
        self.pipe, child = context.Pipe()
        self.process = context.Process(target=_serve, args=(child, make, options, env or {}), daemon=False)
        self.process.start()
        child.close()
        self._answer("ready")

    def block(self) -> dict[str, Any]:
        self.pipe.send("block")
        return self._answer("done")

    def _answer(self, wanted: str) -> Any:
        try:
            kind, value = self.pipe.recv()
        except EOFError:
            kind, value = "failed", f"the process of {self.name} ended with code {self.process.exitcode}"
        if kind != wanted:
            raise RuntimeError(f"{self.name}: {value}")
        return value

    def close(self) -> None:
        if self.process.is_alive():
            try:
                self.pipe.send("stop")
            except OSError:
                pass  # it is gone already
            self.process.join(30)
        if self.process.is_alive():
            self.process.kill()


class _Others:
    """CPU seconds of all processes that do not descend from this one, looked at twice a second while it runs.

    Not what the machine was busy with less what our own processes took: the time of a process whose parent never
    waits for it, as under torchrun, is in nobody's sum once it has ended.
    """

    def __enter__(self) -> _Others:
        self.seconds, self._known, self._over = 0.0, self._look(), threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _follow(self) -> None:
        over = False
        while not over:
            over = self._over.wait(0.5)
            now = self._look()
            self.seconds += sum(spent - self._known.get(pid, 0.0) for pid, spent in now.items())
            self._known = now

    def _look(self) -> dict[int, float]:
        parent, spent = {}, {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    after = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                except OSError:
                    continue  # it ended meanwhile
                pid = int(entry.name)
                parent[pid] = int(after[1])
                spent[pid] = sum(int(x) for x in after[11:13]) / TICKS
        found = {}
        for pid, seconds in spent.items():
            p = pid
            while p not in (0, 1, os.getpid()):
                p = parent.get(p, 0)
            if p != os.getpid():
                found[pid] = seconds
        return found


Rounds = list[dict[str, dict[str, Any]]]


def rounds(engines: list[Engine], count: int, most: int | None = None, load: float = LOAD) -> tuple[Rounds, int]:
    """``count`` quiet rounds as ``{engine: figures}``, and how many were thrown away; ``most`` rounds are tried."""
    kept: Rounds = []
    thrown = 0
    for _ in range(most or 3 * count):
        if len(kept) == count:
            break
        began = time.perf_counter()
        with _Others() as others:
            figures = {engine.name: engine.block() for engine in engines}
        wall = time.perf_counter() - began
        other = others.seconds / wall
        print(f"  round of {wall:.0f} s, other work took {other:.2f} of a core", file=sys.stderr, flush=True)
        if other > load:
            thrown += 1
        else:
            kept.append(figures)
    return kept, thrown


def report(kept: Rounds, thrown: int, ours: str, key: str = "seconds") -> dict[str, float]:
    """Prints, for every other engine, its time over ours: median and minimum of the paired ratios."""
    ratios: dict[str, float] = {}
    if not kept:
        print(f"no quiet round out of {thrown}: the machine was busy with other work")
        return ratios
    for name in kept[0]:
        times = [r[name][key] for r in kept]
        line = f"  {name:34s} best {min(times) * 1e3:9.3f} ms   median {statistics.median(times) * 1e3:9.3f} ms"
        if name != ours:
            paired = [r[name][key] / r[ours][key] for r in kept]
            ratios[name] = statistics.median(paired)
            line += f"   time / {ours}: median {ratios[name]:.2f}  min {min(paired):.2f}  max {max(paired):.2f}"
        print(line)
    print(f"  {len(kept)} rounds, {thrown} thrown away for other load")
    sys.stdout.flush()
    return ratios
