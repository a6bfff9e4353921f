"""A layer that can let its input through."""

from sparkdl.nn.layers.linear import Linear
from sparkdl.nn.layers.sigmoid import Sigmoid
from sparkdl.nn.layers.tanh import Tanh
from sparkdl.nn.module import Module


class Highway(Module):
    """``y = t * activation(linear(x)) + (1 - t) * x`` with ``t = sigmoid(gate(x))``; the gate's bias starts at -1.

    Shapes
    ------
    input, output  (batch, *, size)

    Source: Srivastava et al. (2015), section 2.
    """

    def __init__(self, size: int, bias: bool = True, activation: Module | None = None) -> None:
        super().__init__()
        self.size, self.bias = size, bias
        self.linear, self.gate = Linear(size, size, bias), Linear(size, size, bias)
        self.activation = Tanh() if activation is None else activation
        self.sigmoid = Sigmoid()
        if bias:
            self.gate.bias.data.fill(-1)

    def forward(self, x):
        t = self.sigmoid(self.gate(x))
        return t * (self.activation(self.linear(x)) - x) + x
