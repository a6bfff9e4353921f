"""For inference: the sum at the end of a residual block, and its ReLU, while the convolution's result is in a cache."""

from __future__ import annotations

from typing import Any

from sparkdl.nn.fusion.add_relu import AddReLU
from sparkdl.nn.fusion.conv_ready import ConvReady
from sparkdl.nn.layers.layout import first, last
from sparkdl.nn.module import Layer
from sparkdl.nn.program import Program, Step


class ConvSum(Layer):
    """``relu(conv(x) + other)``, the last optional; what was ``other + conv(x)`` is the same. Forward only."""

    def __init__(self, conv: ConvReady, after: Layer) -> None:
        super().__init__()
        self.conv, self.after, self.relu = conv, after, isinstance(after, AddReLU)

    def forward(self, x, other, ctx):
        x, conv = (first(x) if self.conv.data_format == "NHWC" else x), self.conv
        y = conv.output(x, ctx)
        same = first(other) if conv.data_format == "NHWC" else other
        if same.shape == y.shape:
            conv.ready(y, x, same, self.relu)
            return last(y) if conv.data_format == "NHWC" else y
        conv.ready(y, x)  # one of them is stretched
        return self.after.forward(last(y) if conv.data_format == "NHWC" else y, other, ctx=ctx)

    def backward(self, dy, ctx):
        raise RuntimeError("nn.Inference answers only; train the model that it was made of.")


def join_sums(program: Program) -> Program:
    """The program with each sum of two values done by the convolution that makes one of them and nobody else reads."""
    makers = {i: step for step in program.steps for i in step.outputs}
    reads: dict[int, int] = {}
    for i in (*program.outputs, *(i for step in program.steps for i in step.inputs)):
        reads[i] = reads.get(i, 0) + 1
    joined: dict[int, Step] = {}  # by the sum that a new step stands for
    gone: set[int] = set()
    for step in program.steps:
        if not (isinstance(step.layer, AddReLU) or type(step.layer).__name__ == "Add") or len(step.inputs) != 2:
            continue
        for mine, other in (step.inputs, step.inputs[::-1]):
            maker: Any = makers.get(mine)
            if maker and isinstance(maker.layer, ConvReady) and not maker.layer.ready.relu and reads[mine] == 1:
                layer = ConvSum(maker.layer, step.layer)
                name = f"{maker.name}+{step.name}"
                joined[id(step)] = Step(layer, (*maker.inputs, other), step.outputs, name, step.key)
                gone.add(id(maker))
                break
    return program.with_steps([joined.get(id(step), step) for step in program.steps if id(step) not in gone])
