"""A batch of single steps as a batch of sequences."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.module import Layer


class CaffeTimeSteps(Layer):
    """``y[n, t] = x[t sequences + n]``: a batch with all first steps in front, then all second ones, as sequences.

    It takes the batch as it stands, whose length must be a multiple of ``steps``.

    Shapes
    ------
    input   (steps * sequences, *)
    output  (sequences, steps, *)

    Source: Caffe's Reshape to (time, batch, *) before an LSTM, as in Donahue et al. (2015).
    """

    integers, picks_samples = True, True

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def forward(self, x, ctx):
        if len(x) % self.steps:
            raise ShapeError(f"{self!r} takes batches of a multiple of {self.steps} samples, got {x.shape}.")
        return np.swapaxes(x.reshape(self.steps, len(x) // self.steps, *x.shape[1:]), 0, 1)

    def backward(self, dy, ctx):
        return np.swapaxes(dy, 0, 1).reshape(-1, *dy.shape[2:])
