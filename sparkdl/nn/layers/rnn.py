"""The plain recurrent layer."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from sparkdl.kernel import njit, numba
from sparkdl.nn.kernels.recurrent import activate, add, code_of, offsets, pack, product, slope
from sparkdl.nn.layers.recurrent import Recurrent, before, hidden_grad, parts_of, step_sums

prange = numba().prange


class RNN(Recurrent):
    __doc__ = f"""``h = f(x W_ih + b_ih + h W_hh + b_hh)`` with ``f`` the ``nonlinearity``.
    {Recurrent.__doc__.partition("a subclass computes one layer in one direction.")[2]}
    Source: Elman (1990).
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, dropout: float = 0.0,
        bidirectional: bool = False, merge_mode: str | None = "concat", return_sequences: bool = True,
        return_state: bool = False, go_backwards: bool = False, zero_output_for_mask: bool = False,
        nonlinearity: str = "tanh",
    ) -> None:  # fmt: skip
        self.nonlinearity, self.code = nonlinearity, code_of(self, nonlinearity)
        super().__init__(
            input_size, hidden_size, num_layers, bias, dropout, bidirectional, merge_mode, return_sequences,
            return_state, go_backwards, zero_output_for_mask,
        )  # fmt: skip

    def scan(self, p, gx, start, mask, back):
        hs, end = np.empty_like(gx), start[0].copy()
        _forward(hs, gx, end, pack(p.weight_hh.data), mask, self.code, back, parts_of(len(gx)))
        return hs, [end], SimpleNamespace(ys=gx, hs=hs, h=start[0], final=end)

    def scan_back(self, p, kept, dhs, dfinal, mask, back, ctx):
        (dh,) = dfinal
        _backward(kept.ys, dhs, dh, pack(p.weight_hh.data.T), mask, self.code, back, parts_of(len(dhs)))
        hidden_grad(ctx, p.weight_hh, before(kept.hs, kept.h, back), kept.ys)
        if self.bias:
            step_sums(ctx, p.bias_hh, kept.ys)
        return kept.ys, (dh,)


@njit(parallel=True)
def _forward(hs, gx, h, w, mask, code, back, parts):
    for part in prange(parts):
        a, b = part * len(hs) // parts, (part + 1) * len(hs) // parts
        if b > a:
            _forward_rows(hs[a:b], gx[a:b], h[a:b], w, mask[a:b], code, back)


@njit
def _forward_rows(hs, gx, h, w, mask, code, back):
    """All steps of some rows; ``gx`` leaves as the new states, also where the mask keeps the old ones in ``hs``."""
    rows, steps, n = hs.shape
    zero, coff, roff = offsets(1, 0), offsets(rows, steps * n), offsets(rows, n)
    for s in range(steps):
        t = steps - 1 - s if back else s
        product(gx[0, t], coff, h, roff, w, rows, n, zero)
        for r in range(rows):
            activate(code, gx[r, t])
            if mask.size == 0 or mask[r, t]:
                h[r, :] = gx[r, t]
            hs[r, t, :] = h[r]


@njit(parallel=True)
def _backward(ys, dhs, dh, w, mask, code, back, parts):
    for part in prange(parts):
        a, b = part * len(dhs) // parts, (part + 1) * len(dhs) // parts
        if b > a:
            _backward_rows(ys[a:b], dhs[a:b], dh[a:b], w, mask[a:b], code, back)


@njit
def _backward_rows(ys, dhs, dh, w, mask, code, back):
    """``ys`` leave as the gradients before activation, ``dh`` as that of the first state."""
    rows, steps, n = dhs.shape
    zero, off = offsets(1, 0), offsets(rows, n)
    slopes = np.empty((rows, n), dh.dtype)
    for s in range(steps):
        t = s if back else steps - 1 - s
        for r in range(rows):
            add(dh[r], dhs[r, t])
            if mask.size and not mask[r, t]:
                slopes[r, :] = 0
            else:
                slopes[r, :] = dh[r]
                slope(code, slopes[r], ys[r, t])
                dh[r, :] = 0
            ys[r, t, :] = slopes[r]
        product(dh, off, slopes, off, w, rows, n, zero)
