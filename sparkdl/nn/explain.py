"""What a planned model does with a batch: nodes, groups, layouts, bytes, work and kernels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from sparkdl.nn.context import Context, Run
from sparkdl.nn.graph import program_of
from sparkdl.nn.module import Module
from sparkdl.nn.plan import planned
from sparkdl.nn.program import Pass, Program, Step


@dataclass(frozen=True)
class PlanRow:
    """One node: its layers (several: a fused group), the output's shape, layout and bytes, operations, kernel."""

    name: str
    kind: str
    shape: tuple[int, ...]
    layout: str
    nbytes: int
    flops: int
    kernel: str


class Plan:
    """The plan of ``model`` for batches of ``input_shapes`` (with the batch axis); made by ``model.plan``.

    ``rows`` are the nodes in the order in which they run. ``merged`` counts uses of layers that an equal use stands
    in for. ``peak_bytes`` is the most that one forward and backward (only a forward, for a model in eval mode) holds
    at once of values, gradients and what backward needs, without a layer's own scratch, measured on zeros;
    ``naive_bytes`` is what they would take if the program as it was traced gave nothing back.
    Operations are multiplications and additions of the forward, two to a weight; other layers count one per output.
    """

    def __init__(self, model: Module, input_shapes: tuple[tuple[int, ...], ...], dtypes: tuple[Any, ...] = ()) -> None:
        kinds = dtypes or (model.dtype,) * len(input_shapes)
        xs = [np.zeros(shape, kind) for shape, kind in zip(input_shapes, kinds, strict=True)]
        self.training = model.training
        traced = program_of(model, xs)
        program = planned(traced)
        state = [(p, p.grad, p.touched) for p in model.parameters()]
        buffers = [(b, b.copy()) for _, b in model.named_buffers()]
        for parameter, _, _ in state:
            parameter.grad = None
        try:
            whole = _Watch()
            _run(traced, xs, model, whole)
            watch = _Watch()
            _run(program, xs, model, watch)
        finally:
            for parameter, grad, touched in state:
                parameter.grad, parameter.touched = grad, touched
            for buffer, values in buffers:
                buffer[...] = values
        work = {step.name: _flops(step, whole) for step in traced.steps}
        self.merged = len(traced.steps) - sum(len(step.name.split("+")) for step in program.steps)
        self.rows = [_row(step, watch, work) for step in program.steps]
        self.peak_bytes, self.naive_bytes = watch.peak, whole.total
        self.flops = sum(row.flops for row in self.rows)

    def explain(self) -> str:
        """The plan as a table."""
        head = ("node", "layers", "output", "layout", "bytes", "operations", "kernel")
        cells = [
            (r.name, r.kind, str(r.shape), r.layout, f"{r.nbytes:,}", f"{r.flops:,}", r.kernel) for r in self.rows
        ]
        widths = [max(len(row[i]) for row in [head, *cells]) for i in range(len(head))]
        places = [str.rjust if name in ("bytes", "operations") else str.ljust for name in head]
        lines = ["  ".join(p(c, w) for p, c, w in zip(places, row, widths, strict=True)) for row in [head, *cells]]
        what = "forward and backward hold" if self.training else "forward holds"
        return "\n".join(
            [
                lines[0].rstrip(),
                "-" * len(lines[0]),
                *(line.rstrip() for line in lines[1:]),
                f"{self.flops:,} operations forward; {self.merged} uses merged; {what} at most "
                f"{self.peak_bytes:,} bytes at once, {self.naive_bytes:,} if nothing were used again",
            ]
        )

    __str__ = explain


class _Watch:
    """Follows what a pass holds: memory counts once, however many arrays lie in it."""

    def __init__(self) -> None:
        self.peak = 0
        self.total = 0
        self._known: dict[int, np.ndarray] = {}  # kept alive while watched, so that addresses are not given out again
        self.arrays: dict[tuple[int, ...], tuple[np.ndarray, ...]] = {}
        self.inputs: dict[tuple[int, ...], tuple[np.ndarray, ...]] = {}

    def __call__(self, step: Step, values: list[Any], contexts: list[Context]) -> None:
        if step.outputs not in self.arrays:
            self.arrays[step.outputs] = tuple(_ghost(values[i]) for i in step.outputs)
            self.inputs[step.outputs] = tuple(_ghost(values[i]) for i in step.inputs)
        held = {address: size for address, size in _memory([values, [ctx.saved for ctx in contexts]])}
        self.peak = max(self.peak, sum(held.values()))

    def finish(self, done: Pass) -> None:
        """Adds up what every step made: outputs, and (after a backward) a gradient for each."""
        made = [a for arrays in self.arrays.values() for a in arrays]
        self.total = sum(_nbytes(a) for a in made) * (2 if done.run.training else 1)


def _run(program: Program, xs: list[np.ndarray], model: Module, watch: _Watch) -> None:
    run = Run.single(len(xs[0]), training=model.training)
    done = Pass(program, xs, run, model.dtype, input_grad=False, watch=watch)
    if model.training:
        done.backward([np.zeros_like(y) if y.dtype.kind == "f" else None for y in done.outputs])
    watch.finish(done)


def _ghost(x: np.ndarray) -> np.ndarray:
    """An array of the same shape, dtype and order of axes that takes no memory worth naming."""
    return np.lib.stride_tricks.as_strided(np.empty(1, x.dtype), x.shape, x.strides, writeable=False)


def _nbytes(x: np.ndarray) -> int:
    return prod(x.shape) * x.itemsize


def _memory(held: Any) -> Iterable[tuple[int, int]]:
    """Address and bytes of what every array in nested lists, tuples and dicts lies in."""
    if isinstance(held, np.ndarray):
        base = held
        while isinstance(base.base, np.ndarray):
            base = base.base
        yield base.__array_interface__["data"][0], base.nbytes
    elif isinstance(held, dict):
        yield from _memory(list(held.values()))
    elif isinstance(held, list | tuple):
        for each in held:
            yield from _memory(each)


def _row(step: Step, watch: _Watch, work: dict[str, int]) -> PlanRow:
    (y, *_), xs = watch.arrays[step.outputs], watch.inputs[step.outputs]
    kind = "+".join(dict.fromkeys([type(step.layer).__name__]))
    nbytes = sum(_nbytes(each) for each in watch.arrays[step.outputs])
    flops = sum(work[name] for name in step.name.split("+"))
    return PlanRow(step.name, kind, y.shape, _layout(y), nbytes, flops, _kernel(step, xs, y))


def _layout(y: np.ndarray) -> str:
    if y.ndim == 4:
        last, first = y.strides[1] == y.itemsize, y.strides[3] == y.itemsize
        return "NHWC" if last and not (first and y.shape[3] > 1) else "NCHW" if first else "strided"
    return "rows" if y.ndim > 1 else "vector"


def _flops(step: Step, watch: _Watch) -> int:
    layer, ys = step.layer, watch.arrays[step.outputs]
    weight, kind = getattr(layer, "weight", None), type(layer).__name__
    size = sum(y.size for y in ys)
    if weight is not None and kind.startswith(("Conv", "Linear", "Depthwise", "Separable", "Bilinear")):
        outputs = getattr(layer, "out_channels", 0) or getattr(layer, "out_features", 0)
        positions = watch.inputs[step.outputs][0] if "Transpose" in kind else ys[0]
        channels = layer.in_channels if "Transpose" in kind else outputs
        return 2 * weight.size * positions.size // max(channels, 1)
    if kind in ("RNN", "LSTM", "GRU", "LSTMPeephole"):
        x = watch.inputs[step.outputs][0]
        return 2 * sum(p.size for p in step.parameters if p.data.ndim > 1) * x.shape[0] * x.shape[1]
    return size


def _kernel(step: Step, xs: tuple[np.ndarray, ...], y: np.ndarray) -> str:
    """The way a convolution goes at this shape; other layers have one."""
    layer: Any = getattr(step.layer, "conv", step.layer)
    if type(step.layer).__name__ == "ConvPool":
        return "conv_pool"
    if type(layer).__name__ != "Conv2d":
        return ""
    from sparkdl.nn.kernels import conv

    x, windows = xs[0], layer.windows
    if getattr(layer, "data_format", "NCHW") == "NHWC":
        x, y = x.transpose(0, 3, 1, 2), y.transpose(0, 3, 1, 2)
    found = conv.way(
        "forward", x.dtype, layer.weight.data.shape[:2], tuple(windows.stride), tuple(windows.dilation), layer.groups,
        x.shape[1], y.shape[1], x.shape[2:], y.shape[2:],
    )  # fmt: skip
    return "depthwise" if found == "direct" and layer.groups == x.shape[1] > 1 else found
