"""Event files that TensorBoard shows, written by tensorboardX."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from sparkdl.errors import UnsupportedError
from sparkdl.optim.history import History
from sparkdl.optim.progress import Progress
from sparkdl.optim.watch.callback import Callback
from sparkdl.optim.watch.histograms import EDGES, Histogram


class TensorBoard(Callback):
    """Writes event files into ``folder``; ``tensorboard --logdir folder`` shows them.

    Scalars: ``loss/batch`` by step, a few times a second; by step at an epoch's end ``loss/train``, ``lr``,
    ``samples_per_second``, and every figure of validation as ``validation/<name>``. Histograms of weights and gradients
    after every ``histograms`` steps (None: never). The graph of layers, once training has ended well.

    Needs tensorboardX: ``pip install "sparkdl-native[tensorboard]"``.
    """

    def __init__(self, folder: str | os.PathLike[str], *, histograms: int | None = 100) -> None:
        _writer_class()  # a package that is missing is known before training
        if not isinstance(folder, str | os.PathLike) or not os.fspath(folder):
            raise TypeError(f"TensorBoard: folder must be the name of a folder, got {folder!r}.")
        if os.path.exists(folder) and not os.path.isdir(folder):
            raise ValueError(f"TensorBoard: folder must be a folder, and {os.fspath(folder)!r} is a file.")
        if not (histograms is None or (isinstance(histograms, int) and histograms >= 1)):
            raise ValueError(f"TensorBoard: histograms must be a number of steps >= 1 or None, got {histograms!r}.")
        self.folder, self.histograms = os.fspath(folder), histograms

    def on_begin(self, run: Mapping[str, Any]) -> None:
        self._model = run["model"]
        self._writer = _writer_class()(self.folder)

    def on_step(self, progress: Progress, figures: Mapping[str, Any]) -> None:
        self._writer.add_scalar("loss/batch", progress.loss, progress.iteration)

    def on_epoch(self, progress: Progress, line: Mapping[str, Any]) -> None:
        step = line["iteration"]
        self._writer.add_scalar("loss/train", line["loss"], step)
        self._writer.add_scalar("lr", line["lr"], step)
        self._writer.add_scalar("samples_per_second", line["samples"] / max(line["seconds"], 1e-9), step)
        for name, value in line.items():
            if name not in TOLD + COUNTED and np.ndim(value) == 0 and isinstance(value, int | float | np.number):
                self._writer.add_scalar(f"validation/{name}", float(value), step)

    def on_histograms(self, step: int, histograms: Mapping[str, tuple[Histogram, Histogram]]) -> None:
        for name, pair in histograms.items():
            for what, histogram in zip(("weights", "gradients"), pair, strict=True):
                self._add(f"{what}/{name}", histogram, step)

    def _add(self, tag: str, histogram: Histogram, step: int) -> None:
        """Sums are those of the bins' middles: the values themselves are not there any more."""
        filled = np.flatnonzero(histogram.counts)
        if not len(filled):
            return
        a, b = filled[0], filled[-1] + 1
        counts, middles = histogram.counts[a:b], (EDGES[a:b] + EDGES[a + 1 : b + 1]) / 2
        self._writer.add_histogram_raw(
            tag, min=EDGES[a], max=EDGES[b], num=counts.sum(), sum=counts @ middles, sum_squares=counts @ middles**2,
            bucket_limits=EDGES[a + 1 : b + 1].tolist(), bucket_counts=counts.tolist(), global_step=step,
        )  # fmt: skip

    def on_end(self, history: History | None, error: BaseException | None) -> None:
        try:
            shapes = [task["inputs"] for task in history.costs if task["inputs"]] if history is not None else []
            if shapes:
                self._add_graph(shapes[0])
        finally:
            self._writer.close()

    def _add_graph(self, shapes: list[list[Any]]) -> None:
        from tensorboardX.proto.event_pb2 import Event

        graph = graph_of(self._model, shapes)
        self._writer.file_writer.event_writer.add_event(Event(graph_def=graph.SerializeToString()))


TOLD = ("epoch", "iteration", "loss", "samples", "seconds", "lr")
COUNTED = ("exactly_once", "rows_once", "rows_never", "rows_more")
"""Figures of a history's line that are no validation figures."""


def graph_of(model: Any, shapes: list[list[Any]]) -> Any:
    """The model's layers and who reads whose output, for rows of ``shapes`` (dtype and shape each), as a GraphDef."""
    from tensorboardX.proto.attr_value_pb2 import AttrValue
    from tensorboardX.proto.graph_pb2 import GraphDef
    from tensorboardX.proto.node_def_pb2 import NodeDef

    from sparkdl.nn.graph import program_of

    program = program_of(model, [np.zeros((1, *shape), dtype) for dtype, *shape in shapes])
    names = {value: f"input/{i}" for i, value in enumerate(program.inputs)}
    nodes = [NodeDef(name=name, op="Input") for name in names.values()]
    for step in program.steps:
        name = step.name.replace(".", "/").replace(":", "_")
        nodes.append(
            NodeDef(
                name=name, op=type(step.layer).__name__, input=[names[value] for value in step.inputs],
                attr={"layer": AttrValue(s=repr(step.layer).encode())},
            )  # fmt: skip
        )
        names.update((value, f"{name}:{i}" if i else name) for i, value in enumerate(step.outputs))
    return GraphDef(node=nodes)


def _writer_class() -> Any:
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise UnsupportedError(
            'TensorBoard: event files need tensorboardX; pip install "sparkdl-native[tensorboard]".'
        ) from error
    return SummaryWriter
