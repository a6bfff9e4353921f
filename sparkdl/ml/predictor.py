"""A model for serving, inside a Spark task or in a process without Spark."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np

from sparkdl.ml.registry import registered
from sparkdl.nn.module import Module

_computing = threading.Lock()  # a forward has all threads of the process; not every pool of Numba lets two in at once


class Predictor:
    """``predictor(x)``: the model's outputs in eval mode, from any number of threads.

    ``x`` is an array, or a tuple or dict of them, axis 0 the batch; it is cut into runs of ``batch_size`` rows. The
    outputs are those of ``model.eval()(x)``. ``threads`` is how many threads kernels use in this process (default: as
    it is).

    The model is not changed, and must not be changed by others meanwhile.
    """

    def __init__(self, model: Module, batch_size: int = 256, threads: int | None = None) -> None:
        if not isinstance(model, Module):
            raise TypeError(f"Predictor: model must be a sparkdl.nn.Module, got {type(model).__name__}.")
        if not batch_size >= 1:
            raise ValueError(f"Predictor: batch_size must be >= 1, got {batch_size!r}.")
        self.model, self.batch_size = model, int(batch_size)
        if threads is not None:
            from sparkdl.kernel import set_num_threads

            set_num_threads(threads)

    @classmethod
    def load(cls, path: str | os.PathLike[str], batch_size: int = 256, threads: int | None = None) -> Predictor:
        """Of what ``model.save`` of a module or of a fitted stage wrote into a folder of this machine; without Spark.

        Classes of one's own must be registered (`sparkdl.ml.register`) before.
        """
        from sparkdl.nn.serialize import load

        folder = Path(path)
        model = load(folder / "net" if (folder / "net").is_dir() else folder, registered())
        layer = _metadata(folder).get("paramMap", {}).get("outputLayer")
        return cls(model.upto(layer) if layer else model, batch_size, threads)

    def __call__(self, *xs: Any) -> Any:
        from sparkdl.nn.predict import predict

        with _computing:
            return predict(self.model, xs[0] if len(xs) == 1 else xs, self.batch_size)

    def outputs(self, xs: tuple[np.ndarray, ...]) -> list[np.ndarray]:
        """The outputs as a list, also where there is one."""
        found = self(*xs)
        return found if isinstance(found, list) else [found]


def _metadata(folder: Path) -> dict[str, Any]:
    """The metadata of a saved stage; empty where there is none."""
    parts = sorted((folder / "metadata").glob("part-*"))
    return json.loads(parts[0].read_text()) if parts else {}
