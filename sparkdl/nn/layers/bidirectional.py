"""A layer over a sequence from both ends."""

from __future__ import annotations

import copy
import inspect

from sparkdl.errors import ShapeError
from sparkdl.nn.layers.concat import Concat
from sparkdl.nn.layers.masks import StepMask
from sparkdl.nn.layers.recurrent import MERGE_MODES
from sparkdl.nn.layers.repeat import Reverse
from sparkdl.nn.module import Module


class Bidirectional(Module):
    """``forward_layer(x)`` and ``backward_layer`` of the steps from last to first, merged.

    ``backward_layer`` is a copy of ``forward_layer`` if None. Its outputs are put into the order of the steps, unless
    the layer has ``return_sequences=False``. ``merge_mode``: ``"concat"`` (features, the last axis of vectors, axis 2
    of pictures), ``"sum"``, ``"mul"``, ``"ave"``, or None for both outputs. RNN, LSTM and GRU have
    ``bidirectional=True``, which does the same in one layer.

    Shapes
    ------
    inputs  x (batch, steps, features, *); then, if the layers take them, a mask (batch, steps) or lengths (batch,), and
            the states at the start, those of ``forward_layer`` before as many of ``backward_layer``. Both directions
            skip the same steps; with lengths the second begins at each sample's last step
    output  what the layers return, merged; with their ``return_state`` the final states of both follow
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
        last = getattr(forward_layer, "data_format", "NCHW") == "NHWC"
        self.concat = Concat(-1 if last else 2 if sequences else 1)

    def forward(self, x, *others):
        masks, states = (others[:1], others[1:]) if len(others) % 2 else ((), others)
        half = len(states) // 2
        if masks:
            mask = StepMask()(x, *masks)
            masks = (mask,), (self.reverse(mask),)
        else:
            masks = (), ()
        self._check(1 + len(masks[0]) + half)
        ahead, *ends = _several(self.forward_layer(x, *masks[0], *states[:half]))
        back, *starts = _several(self.backward_layer(self.reverse(x), *masks[1], *states[half:]))
        if getattr(self.backward_layer, "return_sequences", True):
            back = self.reverse(back)
        merged = self._merged(ahead, back)
        return (*merged, *ends, *starts) if len(merged) > 1 or ends else merged[0]

    def _merged(self, ahead, back):
        if self.merge_mode is None:
            return [ahead, back]
        if self.merge_mode == "concat":
            return [self.concat(ahead, back)]
        if self.merge_mode == "mul":
            return [ahead * back]
        return [(ahead + back) * 0.5 if self.merge_mode == "ave" else ahead + back]

    def _check(self, inputs: int) -> None:
        """Both layers take so many inputs."""
        for layer in (self.forward_layer, self.backward_layer) if inputs > 1 else ():
            parameters = inspect.signature(layer.forward).parameters.values()
            if any(p.kind is p.VAR_POSITIONAL for p in parameters):
                continue
            most = sum(p.kind is not p.KEYWORD_ONLY and p.name != "ctx" for p in parameters)
            if inputs > most:
                raise ShapeError(
                    f"Bidirectional: {layer!r} takes {most} inputs, got {inputs}; a mask, lengths and states are for "
                    "layers that take them, as RNN, LSTM, GRU and ConvLSTM do."
                )


def _several(outputs):
    return list(outputs) if isinstance(outputs, tuple | list) else [outputs]
