"""Peak memory of training steps of VGG-16 (CIFAR shape, batch 64): sparkdl's, and PyTorch's in both of its layouts.

    python benchmarks/footprint.py [workload ...]

Each in a process of its own: the largest resident memory while the model, its optimiser and four steps were made, less
what the process held before, with the library loaded and its kernels compiled on a first, small batch. Fails where
sparkdl needs more than the better of PyTorch's two.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from benchmarks.harness import Engine  # noqa: E402
from benchmarks.nets import WORKLOADS, data, our_model, their_model  # noqa: E402
from benchmarks.training import batches, our_fit, torch_step  # noqa: E402


def _resident(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) << 10
    raise OSError(f"/proc/self/status has no {field}")


def _growth(work: Callable[[], object]) -> dict[str, float]:
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = _resident("VmRSS")
    work()
    return {"bytes": float(_resident("VmHWM") - before)}


def sparkdl(workload: str) -> Callable[[], dict]:
    from sparkdl import memory

    x, y = data(workload, 4)
    n = WORKLOADS[workload][2]
    our_fit(our_model(workload), workload, (x[: n // 8], y[: n // 8]), 1)
    memory.pool.clear()
    return lambda: _growth(lambda: our_fit(our_model(workload), workload, (x, y), 1))


def pytorch(workload: str, form: str) -> Callable[[], dict]:
    import torch

    rows = [tuple(map(torch.from_numpy, each)) for each in batches(workload, 4)]
    small = rows[0][0][: len(rows[0][0]) // 8], rows[0][1][: len(rows[0][1]) // 8]
    torch_step(their_model(workload), form)(*small)

    def work() -> None:
        step = torch_step(their_model(workload), form)
        for x, y in rows:
            step(x, y)

    return lambda: _growth(work)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", default=["vgg16"])
    failed = []
    for workload in parser.parse_args().workloads:
        found = {}
        forms = [("PyTorch " + form, pytorch, {"form": form}) for form in ("channels_first", "channels_last")]
        for name, make, options in [("sparkdl", sparkdl, {}), *forms]:
            engine = Engine(name, make, workload=workload, **options)
            found[name] = engine.block()["bytes"] / 2**20
            engine.close()
            print(f"{workload:12s} {name:24s} {found[name]:8.0f} MiB", flush=True)
        ours = found.pop("sparkdl")
        if ours > min(found.values()):
            failed.append(workload)
    if failed:
        raise SystemExit(f"more memory than PyTorch: {', '.join(failed)}")


if __name__ == "__main__":
    main()
