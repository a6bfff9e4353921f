"""Long short-term memory."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from sparkdl import memory
from sparkdl.kernel import njit, numba
from sparkdl.nn.kernels.recurrent import activate, add, code_of, offsets, pack, product, slope
from sparkdl.nn.layers.recurrent import Recurrent, before, hidden_grad, parts_of, step_sums
from sparkdl.nn.parameter import Parameter

prange = numba().prange


class LSTM(Recurrent):
    __doc__ = f"""``i, f, o = sigmoid(...)``, ``g = tanh(...)`` of ``x W_ih + b_ih + h W_hh + b_hh``;
    ``c = f * c + i * g``; ``h = o * tanh(c)``.

    ``activation`` takes the place of tanh and ``recurrent_activation`` that of sigmoid; the gates stand in the order
    i, f, g, o in the weights.
    {Recurrent.__doc__.partition("a subclass computes one layer in one direction.")[2]}
    Source: Hochreiter & Schmidhuber (1997); Gers et al. (2000) for f.
    """

    gates, carried = 4, 2

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, dropout: float = 0.0,
        bidirectional: bool = False, merge_mode: str | None = "concat", return_sequences: bool = True,
        return_state: bool = False, go_backwards: bool = False, zero_output_for_mask: bool = False,
        activation: str = "tanh", recurrent_activation: str = "sigmoid",
    ) -> None:  # fmt: skip
        self.activation, self.recurrent_activation = activation, recurrent_activation
        self.codes = code_of(self, recurrent_activation), code_of(self, activation)
        super().__init__(
            input_size, hidden_size, num_layers, bias, dropout, bidirectional, merge_mode, return_sequences,
            return_state, go_backwards, zero_output_for_mask,
        )  # fmt: skip

    def _peepholes(self, p, dtype):
        """Weights (3, hidden_size) from the cell to i, f and o; (0, 0) for none."""
        return np.zeros((0, 0), dtype)

    def scan(self, p, gx, start, mask, back):
        (h, c), shape = start, (*gx.shape[:2], self.hidden_size)
        hs, cs, end_h, end_c = memory.empty(shape, gx.dtype), memory.empty(shape, gx.dtype), h.copy(), c.copy()
        peep = self._peepholes(p, gx.dtype)
        parts = parts_of(len(gx))
        _forward(hs, cs, gx, end_h, end_c, pack(p.weight_hh.data), peep, mask, *self.codes, back, parts)
        return hs, [end_h, end_c], SimpleNamespace(gates=gx, hs=hs, cs=cs, h=h, c=c, peep=peep, final=end_h)

    def scan_back(self, p, kept, dhs, dfinal, mask, back, ctx):
        dh, dc = dfinal
        earlier = before(kept.cs, kept.c, back)
        _backward(
            kept.gates, kept.cs, earlier, dhs, dh, dc, pack(p.weight_hh.data.T), kept.peep, mask, *self.codes, back,
            parts_of(len(dhs)),
        )  # fmt: skip
        hidden_grad(ctx, p.weight_hh, before(kept.hs, kept.h, back), kept.gates)
        if self.bias:
            step_sums(ctx, p.bias_hh, kept.gates)
        self._peephole_grads(p, kept, earlier, ctx)
        return kept.gates, (dh, dc)

    def _peephole_grads(self, p, kept, earlier, ctx):
        """Adds the gradients of the weights of ``_peepholes``."""


class LSTMPeephole(LSTM):
    __doc__ = f"""LSTM whose gates see the cell: ``i``, ``f`` get ``w_ci * c``, ``w_cf * c`` of the step before,
    ``o`` gets ``w_co * c`` of its own step.

    weight_ch_l0 (3, hidden_size) holds the rows for i, f, o.
    {Recurrent.__doc__.partition("a subclass computes one layer in one direction.")[2]}
    Source: Gers & Schmidhuber (2000), section 3.
    """

    further = ("weight_ch",)

    def _new(self, width):
        return {**super()._new(width), "weight_ch": Parameter(np.zeros((3, self.hidden_size), np.float32))}

    def _peepholes(self, p, dtype):
        return p.weight_ch.data

    def _peephole_grads(self, p, kept, earlier, ctx):
        n = self.hidden_size

        def write(out, rows):
            g = kept.gates[rows]
            np.sum(g[..., :n] * earlier[rows], axis=(0, 1), out=out[0])
            np.sum(g[..., n : 2 * n] * earlier[rows], axis=(0, 1), out=out[1])
            np.sum(g[..., 3 * n :] * kept.cs[rows], axis=(0, 1), out=out[2])

        ctx.grad(p.weight_ch, write)


@njit(parallel=True)
def _forward(hs, cs, gates, h, c, w, peep, mask, inner, outer, back, parts):
    for part in prange(parts):
        a, b = part * len(hs) // parts, (part + 1) * len(hs) // parts
        if b > a:
            _forward_rows(hs[a:b], cs[a:b], gates[a:b], h[a:b], c[a:b], w, peep, mask[a:b], inner, outer, back)


@njit
def _forward_rows(hs, cs, gates, h, c, w, peep, mask, inner, outer, back):
    """All steps of some rows; ``gates`` come as the inputs' part and leave as i, f, g, o, ``h`` and ``c`` as ends."""
    rows, steps, n = hs.shape
    zero, coff, roff = offsets(1, 0), offsets(rows, 4 * n), offsets(rows, n)
    near = np.empty((rows, 4 * n), h.dtype)  # the gates of one step, close together for the product
    squashed = np.empty(n, h.dtype)
    for s in range(steps):
        t = steps - 1 - s if back else s
        for r in range(rows):
            near[r, :] = gates[r, t]
        product(near, coff, h, roff, w, rows, 4 * n, zero)
        for r in range(rows):
            cell, hidden, g = c[r], h[r], near[r]
            if mask.size == 0 or mask[r, t]:
                i, f, new, o = g[:n], g[n : 2 * n], g[2 * n : 3 * n], g[3 * n :]
                if peep.size:
                    for k in range(n):
                        i[k] += peep[0, k] * cell[k]
                    for k in range(n):
                        f[k] += peep[1, k] * cell[k]
                activate(inner, g[: 2 * n])
                activate(outer, new)
                for k in range(n):
                    cell[k] = f[k] * cell[k] + i[k] * new[k]
                if peep.size:
                    for k in range(n):
                        o[k] += peep[2, k] * cell[k]
                activate(inner, o)
                for k in range(n):
                    squashed[k] = cell[k]
                activate(outer, squashed)
                for k in range(n):
                    hidden[k] = o[k] * squashed[k]
            gates[r, t, :] = g
            hs[r, t, :] = hidden
            cs[r, t, :] = cell


@njit(parallel=True)
def _backward(gates, cs, earlier, dhs, dh, dc, w, peep, mask, inner, outer, back, parts):
    for part in prange(parts):
        a, b = part * len(dhs) // parts, (part + 1) * len(dhs) // parts
        if b > a:
            _backward_rows(
                gates[a:b], cs[a:b], earlier[a:b], dhs[a:b], dh[a:b], dc[a:b], w, peep, mask[a:b], inner, outer, back
            )


@njit
def _backward_rows(gates, cs, earlier, dhs, dh, dc, w, peep, mask, inner, outer, back):
    """``gates`` leave as the gradients before activation, ``dh`` and ``dc`` as those of the states at the start."""
    rows, steps, n = dhs.shape
    zero, coff, roff = offsets(1, 0), offsets(rows, n), offsets(rows, 4 * n)
    slopes = np.empty((rows, 4 * n), dh.dtype)  # of one step, close together for the product
    squashed, dcell = np.empty(n, dh.dtype), np.empty(n, dh.dtype)
    for s in range(steps):
        t = s if back else steps - 1 - s
        for r in range(rows):
            dhidden, d, g, carried = dh[r], slopes[r], gates[r, t], dc[r]
            add(dhidden, dhs[r, t])
            if mask.size and not mask[r, t]:  # the states went through unchanged
                d[:] = 0
                g[:] = 0
                continue
            i, f, new, o = g[:n], g[n : 2 * n], g[2 * n : 3 * n], g[3 * n :]
            di, df, dnew, do = d[:n], d[n : 2 * n], d[2 * n : 3 * n], d[3 * n :]
            for k in range(n):
                squashed[k] = cs[r, t, k]
            activate(outer, squashed)
            for k in range(n):
                do[k] = dhidden[k] * squashed[k]
            slope(inner, do, o)
            for k in range(n):
                dcell[k] = dhidden[k] * o[k]
            slope(outer, dcell, squashed)
            add(dcell, carried)
            if peep.size:
                for k in range(n):
                    dcell[k] += do[k] * peep[2, k]
            for k in range(n):
                di[k] = dcell[k] * new[k]
            slope(inner, di, i)
            for k in range(n):
                df[k] = dcell[k] * earlier[r, t, k]
            slope(inner, df, f)
            for k in range(n):
                dnew[k] = dcell[k] * i[k]
            slope(outer, dnew, new)
            for k in range(n):
                carried[k] = dcell[k] * f[k]
            if peep.size:
                for k in range(n):
                    carried[k] += di[k] * peep[0, k] + df[k] * peep[1, k]
            g[:] = d
            dhidden[:] = 0
        product(dh, coff, slopes, roff, w, rows, n, zero)
