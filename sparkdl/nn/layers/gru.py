"""Gated recurrent units."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from sparkdl.kernel import njit, numba
from sparkdl.nn.kernels import gemm
from sparkdl.nn.kernels.recurrent import activate, add, code_of, offsets, pack, product, slope
from sparkdl.nn.layers.recurrent import Recurrent, before, hidden_grad, parts_of, step_sums

prange = numba().prange


class GRU(Recurrent):
    __doc__ = f"""``r, z = sigmoid(...)``, ``h = (1 - z) * n + z * h``, with

    ``n = tanh(x W_in + b_in + r * (h W_hn + b_hn))`` for ``reset_after`` (PyTorch, cuDNN, Keras since 2.3), and
    ``n = tanh(x W_in + b_in + (r * h) W_hn + b_hn)`` without (the paper, Keras 1).

    ``activation`` takes the place of tanh and ``recurrent_activation`` that of sigmoid; the gates stand in the order
    r, z, n in the weights.
    {Recurrent.__doc__.partition("a subclass computes one layer in one direction.")[2]}
    Source: Cho et al. (2014), section 2.3.
    """

    gates = 3

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, dropout: float = 0.0,
        bidirectional: bool = False, merge_mode: str | None = "concat", return_sequences: bool = True,
        return_state: bool = False, go_backwards: bool = False, zero_output_for_mask: bool = False,
        activation: str = "tanh", recurrent_activation: str = "sigmoid", reset_after: bool = True,
    ) -> None:  # fmt: skip
        self.activation, self.recurrent_activation, self.reset_after = activation, recurrent_activation, reset_after
        self.codes = code_of(self, recurrent_activation), code_of(self, activation)
        super().__init__(
            input_size, hidden_size, num_layers, bias, dropout, bidirectional, merge_mode, return_sequences,
            return_state, go_backwards, zero_output_for_mask,
        )  # fmt: skip

    def input_bias(self, p):
        if not self.bias:
            return None
        inside = p.bias_hh.data.copy()
        if self.reset_after:
            inside[2 * self.hidden_size :] = 0  # that part is under the reset gate
        return p.bias_ih.data + inside

    def scan(self, p, gx, start, mask, back):
        n, w = self.hidden_size, p.weight_hh.data
        hs, end = np.empty((*gx.shape[:2], n), gx.dtype), start[0].copy()
        side = np.empty_like(hs)  # what the reset gate is multiplied into (reset_after), or what comes of it
        bias = p.bias_hh.data[2 * n :] if self.bias and self.reset_after else np.zeros(n, gx.dtype)
        _forward(
            hs, gx, side, end, pack(w[:, : 2 * n]), pack(w[:, 2 * n :]), bias, mask, *self.codes, self.reset_after,
            back, parts_of(len(gx)),
        )  # fmt: skip
        return hs, [end], SimpleNamespace(gates=gx, hs=hs, side=side, h=start[0], final=end)

    def scan_back(self, p, kept, dhs, dfinal, mask, back, ctx):
        (dh,), n, w = dfinal, self.hidden_size, p.weight_hh.data
        earlier, side, gates = before(kept.hs, kept.h, back), kept.side, kept.gates
        inside = side if self.reset_after else side.copy()  # becomes the gradient of h W_hn + b_hn
        _backward(
            gates, inside, earlier, dhs, dh, pack(w[:, : 2 * n].T), pack(w[:, 2 * n :].T), mask, *self.codes,
            self.reset_after, back, parts_of(len(dhs)),
        )  # fmt: skip
        dhidden = np.concatenate([gates[..., : 2 * n], inside], axis=2) if self.reset_after else gates
        if self.reset_after:
            hidden_grad(ctx, p.weight_hh, earlier, dhidden)
        else:
            self._two_products(ctx, p.weight_hh, earlier, side, gates)
        if self.bias:
            step_sums(ctx, p.bias_hh, dhidden)
        return gates, (dh,)

    def _two_products(self, ctx, parameter, earlier, reset, gates):
        """The gradient of W_hh where n saw ``reset``, the states times r."""
        n = self.hidden_size

        def write(out, rows):
            for columns, states in ((slice(0, 2 * n), earlier), (slice(2 * n, 3 * n), reset)):
                s, g = states[rows].reshape(-1, n), np.ascontiguousarray(gates[rows][..., columns])
                part = np.empty((n, g.shape[2]), out.dtype)
                gemm.matmul(part, s.T, g.reshape(-1, g.shape[2]))
                out[:, columns] = part

        ctx.grad(parameter, write)


@njit(parallel=True)
def _forward(hs, gates, side, h, w, wn, bias, mask, inner, outer, after, back, parts):
    for part in prange(parts):
        a, b = part * len(hs) // parts, (part + 1) * len(hs) // parts
        if b > a:
            _forward_rows(hs[a:b], gates[a:b], side[a:b], h[a:b], w, wn, bias, mask[a:b], inner, outer, after, back)


@njit
def _forward_rows(hs, gates, side, h, w, wn, bias, mask, inner, outer, after, back):
    """All steps of some rows; ``gates`` come as the inputs' part and leave as r, z, n."""
    rows, steps, n = hs.shape
    zero, off, goff, soff = offsets(1, 0), offsets(rows, n), offsets(rows, steps * 3 * n), offsets(rows, steps * n)
    reset = np.empty((rows, n), h.dtype)
    for s in range(steps):
        t = steps - 1 - s if back else s
        product(gates[0, t], goff, h, off, w, rows, 2 * n, zero)
        for r in range(rows):
            activate(inner, gates[r, t, : 2 * n])
        if after:
            for r in range(rows):
                side[r, t, :] = bias
            product(side[0, t], soff, h, off, wn, rows, n, zero)
            for r in range(rows):
                gate, new, inside = gates[r, t, :n], gates[r, t, 2 * n :], side[r, t]
                for k in range(n):
                    new[k] += gate[k] * inside[k]
        else:
            for r in range(rows):
                gate, hidden, into = gates[r, t, :n], h[r], reset[r]
                for k in range(n):
                    into[k] = gate[k] * hidden[k]
                side[r, t, :] = into
            product(gates[0, t, 2 * n :], goff, reset, off, wn, rows, n, zero)
        for r in range(rows):
            z, new, hidden = gates[r, t, n : 2 * n], gates[r, t, 2 * n :], h[r]
            activate(outer, new)
            if mask.size == 0 or mask[r, t]:
                for k in range(n):
                    hidden[k] = new[k] + z[k] * (hidden[k] - new[k])
            hs[r, t, :] = hidden


@njit(parallel=True)
def _backward(gates, side, earlier, dhs, dh, w, wn, mask, inner, outer, after, back, parts):
    for part in prange(parts):
        a, b = part * len(dhs) // parts, (part + 1) * len(dhs) // parts
        if b > a:
            _backward_rows(
                gates[a:b], side[a:b], earlier[a:b], dhs[a:b], dh[a:b], w, wn, mask[a:b], inner, outer, after, back
            )


@njit
def _backward_rows(gates, side, earlier, dhs, dh, w, wn, mask, inner, outer, after, back):
    """``gates`` leave as the gradients before activation, ``side`` (after) as that of what r is multiplied into."""
    rows, steps, n = dhs.shape
    zero, off, off2 = offsets(1, 0), offsets(rows, n), offsets(rows, 2 * n)
    both, last, dreset = np.empty((rows, 2 * n), dh.dtype), np.empty((rows, n), dh.dtype), np.empty((rows, n), dh.dtype)
    for s in range(steps):
        t = s if back else steps - 1 - s
        for r in range(rows):
            dhidden, g, dnew = dh[r], gates[r, t], last[r]
            add(dhidden, dhs[r, t])
            if mask.size and not mask[r, t]:
                both[r, :] = 0
                dnew[:] = 0
                continue
            z, new, dz, old = g[n : 2 * n], g[2 * n :], both[r, n:], earlier[r, t]
            for k in range(n):
                dz[k] = dhidden[k] * (old[k] - new[k])
            slope(inner, dz, z)
            for k in range(n):
                dnew[k] = dhidden[k] * (dhidden.dtype.type(1) - z[k])
            slope(outer, dnew, new)
            for k in range(n):
                dhidden[k] *= z[k]
        if not after:
            dreset[:] = 0
            product(dreset, off, last, off, wn, rows, n, zero)
        for r in range(rows):
            g, dr, dnew = gates[r, t], both[r, :n], last[r]
            if mask.size and not mask[r, t]:
                g[:] = 0
                if after:
                    side[r, t, :] = 0
                continue
            gate, old = g[:n], earlier[r, t]
            if after:
                inside = side[r, t]
                for k in range(n):
                    dr[k] = dnew[k] * inside[k]
                for k in range(n):
                    inside[k] = dnew[k] * gate[k]
            else:
                into, dhidden = dreset[r], dh[r]
                for k in range(n):
                    dr[k] = into[k] * old[k]
                for k in range(n):
                    dhidden[k] += into[k] * gate[k]
            slope(inner, dr, gate)
            g[2 * n :] = dnew
            g[: 2 * n] = both[r]
            if after:
                last[r, :] = side[r, t]
        if after:
            product(dh, off, last, off, wn, rows, n, zero)
        product(dh, off, both, off2, w, rows, n, zero)
