"""Seconds from starting Python to the end of the first training steps of LeNet-5, and what of them is loading kernels.

    python benchmarks/startup.py

Once with an empty folder of compiled kernels (cold) and then with what that run left there (warm), each in a process of
its own. Loading kernels is the time that the first epoch of two steps took beyond a later one, and the imports of
Numba and the kernels' modules. Fails where the cold start takes 20 s or loading kernels 1 s.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COLD, WARM = 20.0, 1.0  # seconds that may not be reached
CODE = """
import json, sys, time
began = time.time()
from sparkdl import nn, optim
from benchmarks.nets import lenet
from benchmarks.training import data, our_fit
import numpy as np
imported = time.time()
model = nn.Sequential(*lenet(nn))
history = our_fit(model, "lenet", data("lenet", 2), 3)
ended = time.time()
print(json.dumps({"fit": ended - imported, "steps": list(history["seconds"])}))
"""


def start(cache: str) -> dict[str, float]:
    """Seconds of one process: ``all``, and ``kernels``, what compiling or loading them took."""
    import time

    began = time.time()
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=ROOT, check=True, capture_output=True, text=True,
        env={**os.environ, "SPARKDL_CACHE_DIR": cache, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    figures = json.loads(done.stdout.splitlines()[-1])
    return {"all": time.time() - began, "kernels": figures["fit"] - 3 * figures["steps"][-1]}


def main() -> None:
    with tempfile.TemporaryDirectory() as cache:
        cold, warm = start(cache), start(cache)
    for name, each in (("cold", cold), ("warm", warm)):
        print(f"{name}: {each['all']:5.1f} s from the start of Python to the end of the third epoch, "
              f"{each['kernels']:5.2f} s of it compiling or loading kernels")  # fmt: skip
    if not (cold["all"] < COLD and warm["kernels"] < WARM):
        raise SystemExit(f"more than {COLD:.0f} s cold, or {WARM:.0f} s of loading kernels warm")


if __name__ == "__main__":
    main()
