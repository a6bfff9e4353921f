"""A recurrent layer that reads its own outputs."""

from __future__ import annotations

from sparkdl.errors import ShapeError
from sparkdl.nn.layers.concat import Concat
from sparkdl.nn.layers.recurrent import Recurrent
from sparkdl.nn.layers.reshape import Reshape
from sparkdl.nn.module import Module


class RecurrentDecoder(Module):
    """``steps`` outputs of ``layer``, each of which is the next input.

    ``layer`` is an RNN, LSTM or GRU with ``return_state=True`` whose outputs are as wide as its inputs.

    Shapes
    ------
    inputs  (batch, input_size), the first input; the states at the start as ``layer`` takes them if wanted
    output  (batch, steps, input_size)
    """

    def __init__(self, layer: Recurrent, steps: int) -> None:
        super().__init__()
        wide = layer.hidden_size * (2 if layer.bidirectional and layer.merge_mode == "concat" else 1)
        if not layer.return_state or not layer.return_sequences or layer.outputs != 1 + layer.carried:
            raise ShapeError(f"RecurrentDecoder takes a layer with return_state=True and sequences, got {layer!r}.")
        if layer.input_size != wide or not steps >= 1:
            raise ShapeError(
                f"RecurrentDecoder: the layer's outputs ({wide}) are its inputs ({layer.input_size}), steps >= 1 "
                f"(got {steps!r})."
            )
        self.layer, self.steps = layer, steps
        self.sequence = Reshape((1, layer.input_size))
        self.concat = Concat(1)

    def forward(self, x, *states):
        y, outputs = self.sequence(x), []
        for _ in range(self.steps):
            y, *states = self.layer(y, *states)
            outputs.append(y)
        return self.concat(*outputs) if len(outputs) > 1 else y
