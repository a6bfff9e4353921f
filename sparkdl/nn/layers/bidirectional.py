"""A layer over a sequence from both ends."""

from __future__ import annotations

import copy

from sparkdl.nn.layers.concat import Concat
from sparkdl.nn.layers.recurrent import MERGE_MODES
from sparkdl.nn.layers.repeat import Reverse
from sparkdl.nn.module import Module


class Bidirectional(Module):
    """``forward_layer(x)`` and ``backward_layer`` of the steps from last to first, merged.

    ``backward_layer`` is a copy of ``forward_layer`` if None. Its outputs are put into the order of the steps, unless
    the layer has ``return_sequences=False``. ``merge_mode``: ``"concat"`` (features), ``"sum"``, ``"mul"``, ``"ave"``,
    or None for both outputs. RNN, LSTM and GRU have ``bidirectional=True``, which does the same in one layer.

    Shapes
    ------
    input   (batch, steps, features, *)
    output  what the layers return, merged
    """

    def __init__(
        self, forward_layer: Module, backward_layer: Module | None = None, merge_mode: str | None = "concat"
    ) -> None:
        super().__init__()
        if merge_mode not in MERGE_MODES:
            raise ValueError(f"Bidirectional: merge_mode is one of {MERGE_MODES}, got {merge_mode!r}.")
        self.forward_layer, self.merge_mode = forward_layer, merge_mode
        self.backward_layer = copy.deepcopy(forward_layer) if backward_layer is None else backward_layer
        self.reverse = Reverse(1)
        sequences = getattr(forward_layer, "return_sequences", True)
        self.concat = Concat(2 if sequences else 1)

    def forward(self, x):
        ahead, back = self.forward_layer(x), self.backward_layer(self.reverse(x))
        if getattr(self.backward_layer, "return_sequences", True):
            back = self.reverse(back)
        if self.merge_mode is None:
            return ahead, back
        if self.merge_mode == "concat":
            return self.concat(ahead, back)
        if self.merge_mode == "mul":
            return ahead * back
        return (ahead + back) * 0.5 if self.merge_mode == "ave" else ahead + back
