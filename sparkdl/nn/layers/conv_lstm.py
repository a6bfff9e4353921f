"""LSTM whose maps are convolutions."""

from __future__ import annotations

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn import rng
from sparkdl.nn.kernels.recurrent import activate, code_of, slope
from sparkdl.nn.layers.convolve import backward_data, backward_weights, forward
from sparkdl.nn.layers.masks import step_mask
from sparkdl.nn.layers.windows import PLACES, Windows, last, same_padding, sizes
from sparkdl.nn.module import Layer
from sparkdl.nn.parameter import Parameter


class _ConvLSTM(Layer):
    """``i, f, o = sigmoid(...)``, ``g = tanh(...)`` of ``conv(x, weight_ih) + conv(h, weight_hh) + bias``;
    ``c = f * c + i * g``; ``h = o * tanh(c)``.

    With ``peephole`` the gates i and f also get ``weight_ch * c`` of the step before, and o that of its own step, one
    weight per channel. The states keep their size (``recurrent_kernel_size``, like the kernel if None, has odd sizes);
    ``padding`` of the inputs is a number per axis, ``"same"`` or ``"valid"``.

    Shapes
    ------
    inputs   x (batch, steps, in_channels, *); then, if wanted, in any order: a mask (batch, steps), 0 where a step is
             to be skipped, or lengths (batch,), and initial h and c (batch, hidden_channels, *), else 0
    outputs  (batch, steps, hidden_channels, *), or (batch, hidden_channels, *) of the last step with
             ``return_sequences=False``; with ``return_state`` the final h and c follow
             (with ``data_format="NHWC"`` channels stand last in all of these)
    weights  weight_ih (4 * hidden_channels, in_channels, *kernel), weight_hh (4 * hidden_channels, hidden_channels,
             *kernel), bias (4 * hidden_channels,), for i, f, g, o; weight_ch (3, hidden_channels) for i, f, o

    A skipped step repeats the states and, but for ``zero_output_for_mask``, the output.

    Source: Shi et al. (2015), equation 3.
    """

    rank: int

    def __init__(
        self, in_channels: int, hidden_channels: int, kernel_size, padding="same", stride=1, dilation=1,
        recurrent_kernel_size=None, bias: bool = True, peephole: bool = False, return_sequences: bool = True,
        return_state: bool = False, go_backwards: bool = False, activation: str = "tanh",
        recurrent_activation: str = "sigmoid", data_format: str = "NCHW", zero_output_for_mask: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        name, self.data_format = type(self).__name__, data_format
        if not (in_channels >= 1 and hidden_channels >= 1):
            raise ShapeError(f"{name}: channels must be >= 1, got {in_channels!r} and {hidden_channels!r}.")
        self.in_channels, self.hidden_channels, self.kernel_size = in_channels, hidden_channels, kernel_size
        self.padding, self.stride, self.dilation = padding, stride, dilation
        self.recurrent_kernel_size, self.peephole = recurrent_kernel_size, peephole
        self.return_sequences, self.return_state, self.go_backwards = return_sequences, return_state, go_backwards
        self.activation, self.recurrent_activation = activation, recurrent_activation
        self.zero_output_for_mask = zero_output_for_mask
        self.codes = code_of(self, recurrent_activation), code_of(self, activation)
        self.outputs = 3 if return_state else 1
        self.windows, self.inner = self._windows(name)
        axes = (*range(2, 2 + self.rank), 1, 0)
        rows = 4 * hidden_channels
        self.weight_ih = Parameter(np.zeros((rows, in_channels, *self.windows.kernel), np.float32), axes=axes)
        self.weight_hh = Parameter(np.zeros((rows, hidden_channels, *self.inner.kernel), np.float32), axes=axes)
        self.bias = Parameter(np.zeros(rows, np.float32)) if bias else None
        self.weight_ch = Parameter(np.zeros((3, hidden_channels), np.float32)) if peephole else None
        self.reset_parameters()

    def _windows(self, name):
        """How the kernels slide over the inputs and over the states."""
        kernel = sizes(name, "kernel_size", self.kernel_size, self.rank)
        inner = sizes(name, "recurrent_kernel_size", self.recurrent_kernel_size or self.kernel_size, self.rank)
        if any(k % 2 == 0 for k in inner):
            raise ShapeError(f"{name}: the recurrent kernel has odd sizes, got {inner}.")
        stride, dilation = (sizes(name, n, getattr(self, n), self.rank) for n in ("stride", "dilation"))
        if self.padding == "same":
            pads = same_padding(tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)))
        else:
            numbers = sizes(name, "padding", 0 if self.padding == "valid" else self.padding, self.rank, least=0)
            pads = tuple((n, n) for n in numbers)
        ones = (1,) * self.rank
        return Windows(kernel, stride, pads, dilation), Windows(inner, ones, same_padding(inner), ones)

    def config(self):
        return {**super().config(), "bias": self.bias is not None}

    def reset_parameters(self):
        bound = 1 / np.sqrt(np.prod(self.weight_hh.shape[1:]))
        for parameter in self.parameters():
            parameter.value = rng.generator().uniform(-bound, bound, parameter.shape)

    def forward(self, x, *others, ctx):
        if self.data_format == "NCHW":
            return self._forward(x, *others, ctx=ctx)
        if x.ndim != self.rank + 3:
            raise self._misfit(x.shape)
        channels_second = (other if other.ndim < 3 else _first(other) for other in others)
        y = self._forward(np.moveaxis(x, -1, 2), *channels_second, ctx=ctx)
        return self._channels_last(y, 2 if self.return_sequences else 1)

    def backward(self, *dys, ctx):
        if self.data_format == "NCHW":
            return self._backward(*dys, ctx=ctx)
        dy, *dlast = dys
        dx = self._backward(np.moveaxis(dy, -1, 2 if self.return_sequences else 1), *map(_first, dlast), ctx=ctx)
        return self._channels_last(dx, 2)

    @staticmethod
    def _channels_last(values, axis):
        """A sequence whose channels are at ``axis`` and the states behind it, if there are any, with channels last."""
        if isinstance(values, tuple):
            head, *others = values
            return (
                None if head is None else np.moveaxis(head, axis, -1),
                *(v if v is None else last(v) for v in others),
            )
        return None if values is None else np.moveaxis(values, axis, -1)

    def _misfit(self, shape):
        places = PLACES[self.rank]
        inner = f"{places}, {self.in_channels}" if self.data_format == "NHWC" else f"{self.in_channels}, {places}"
        return ShapeError(f"{self!r} takes (batch, steps, {inner}), got {shape}.")

    def _forward(self, x, *others, ctx):
        n = self.hidden_channels
        if x.ndim != self.rank + 3 or x.shape[2] != self.in_channels:
            raise self._misfit(np.moveaxis(x, 2, -1).shape if self.data_format == "NHWC" else x.shape)
        batch, steps = x.shape[:2]
        places = self.windows.out(self, x.shape[3:])
        wide = (batch, n, *places)
        states = [other for other in others if other.ndim >= 3]
        mask = step_mask(self, x.shape[:2], [other for other in others if other.ndim < 3])
        if self.go_backwards:
            mask = mask[:, ::-1]
        keep = mask.reshape(*mask.shape, *[1] * (self.rank + 1)) != 0  # beside states (batch, *places, channels)
        if len(states) not in (0, 2) or any(s.shape != wide for s in states):
            raise ShapeError(f"{self!r} takes two states {wide}, got {[s.shape for s in states]}.")
        x = _frames(x[:, ::-1] if self.go_backwards else x)
        gx = _empty((batch * steps, 4 * n, *places), x.dtype)
        forward(gx, x, self.weight_ih.data, None if self.bias is None else self.bias.data, self.windows, 1)
        gx = last(gx).reshape(batch, steps, *places, 4 * n)
        h, c = (np.array(last(s), order="C") for s in states) if states else np.zeros((2, batch, *places, n), x.dtype)
        first = h, c
        tape, hs = [], np.empty((batch, steps, *places, n), x.dtype)
        part = _empty((batch, 4 * n, *places), x.dtype)
        for t in range(steps):
            forward(part, _first(h), self.weight_hh.data, None, self.inner, 1)
            new, cell, kept = self._step(gx[:, t] + last(part), c)
            h, c = (np.where(keep[:, t], new, h), np.where(keep[:, t], cell, c)) if keep.size else (new, cell)
            tape.append(kept)
            hs[:, t] = h
        ctx.save(x, places, first, tape, hs, keep, [other.ndim for other in others])
        ys = hs * keep.astype(hs.dtype) if keep.size and self.zero_output_for_mask else hs
        y = np.moveaxis(ys, -1, 2) if self.return_sequences else _first(h)
        return (y, _first(h), _first(c)) if self.return_state else y

    def _step(self, gates, c):
        n, (inner, outer) = self.hidden_channels, self.codes
        i, f, g, o = (np.ascontiguousarray(gates[..., k * n : (k + 1) * n]) for k in range(4))
        peep = None if self.weight_ch is None else self.weight_ch.data
        if peep is not None:
            i, f = i + peep[0] * c, f + peep[1] * c
        for code, each in ((inner, i), (inner, f), (outer, g)):
            activate(code, each.reshape(-1))
        new = f * c + i * g
        if peep is not None:
            o = o + peep[2] * new
        squashed = new.copy()
        activate(inner, o.reshape(-1))
        activate(outer, squashed.reshape(-1))
        return o * squashed, new, (i, f, g, o, c, new, squashed)

    def _backward(self, *dys, ctx):
        x, places, first, tape, hs, keep, given = ctx.saved  # given: the numbers of axes of the inputs after x
        n, steps, batch = self.hidden_channels, len(tape), len(first[0])
        dy, *dlast = dys
        dh, dc = (np.array(last(d), order="C") for d in dlast) if dlast else np.zeros((2, *first[0].shape), hs.dtype)
        if not self.return_sequences:
            dh += last(dy)
        dgates = np.empty((batch, steps, *places, 4 * n), hs.dtype)
        dprevious = _empty((batch, n, *places), hs.dtype)
        for t in reversed(range(steps)):
            if self.return_sequences:
                dstep = last(dy[:, t])
                dh += dstep * keep[:, t] if keep.size and self.zero_output_for_mask else dstep
            dgates[:, t], dcell = self._step_back(dh, dc, tape[t])
            if keep.size:  # the states of a skipped step went through unchanged
                dgates[:, t] *= keep[:, t]
                dcell = np.where(keep[:, t], dcell, dc)
            backward_data(dprevious, _first(dgates[:, t]), self.weight_hh.data, self.inner, 1)
            dprior = np.ascontiguousarray(last(dprevious))
            dh, dc = np.where(keep[:, t], dprior, dh) if keep.size else dprior, dcell
        before = np.concatenate([first[0][:, None], hs[:, :-1]], axis=1)
        frames = np.moveaxis(dgates.reshape(batch * steps, *places, 4 * n), -1, 1)
        self._grads(ctx, x, before.reshape(batch * steps, *places, n), frames, dgates, tape)
        dx = None
        if ctx.needs[0]:
            dx = _empty(x.shape, x.dtype)
            backward_data(dx, frames, self.weight_ih.data, self.windows, 1)
            dx = np.moveaxis(last(dx).reshape(batch, steps, *x.shape[2:], self.in_channels), -1, 2)
            dx = dx[:, ::-1] if self.go_backwards else dx
        if not given:
            return dx
        states = iter((_first(dh), _first(dc)))
        return dx, *(next(states) if axes >= 3 else None for axes in given)

    def _step_back(self, dh, dc, kept):
        """The gradients of the gates before activation and of the cell before."""
        i, f, g, o, c, new, squashed = kept
        inner, outer = self.codes
        peep = None if self.weight_ch is None else self.weight_ch.data
        do, dnew = dh * squashed, dh * o
        slope(inner, do.reshape(-1), o.reshape(-1))
        slope(outer, dnew.reshape(-1), squashed.reshape(-1))
        dnew += dc
        if peep is not None:
            dnew += peep[2] * do
        di, df, dg, dc = dnew * g, dnew * c, dnew * i, dnew * f
        for code, d, y in ((inner, di, i), (inner, df, f), (outer, dg, g)):
            slope(code, d.reshape(-1), y.reshape(-1))
        if peep is not None:
            dc += peep[0] * di + peep[1] * df
        return np.concatenate([di, df, dg, do], axis=-1), dc

    def _grads(self, ctx, x, before, frames, dgates, tape):
        n, steps = self.hidden_channels, len(tape)
        for weight, into, windows in ((self.weight_ih, x, self.windows), (self.weight_hh, _first(before), self.inner)):
            ctx.grad(
                weight,
                lambda out, rows, into=into, windows=windows: backward_weights(
                    out, into, frames, np.array([rows.start, rows.stop]) * steps, windows, 1
                ),
            )
        if self.bias is not None:
            ctx.grad(self.bias, lambda out, rows: dgates[rows].reshape(-1, 4 * n).sum(0, out=out))
        if self.weight_ch is not None:
            cells = [np.stack([kept[k] for kept in tape], axis=1) for k in (4, 5)]  # before and after each step

            def write(out, rows):
                for k, gate, cell in ((0, 0, 0), (1, 1, 0), (2, 3, 1)):
                    product = dgates[rows][..., gate * n : (gate + 1) * n] * cells[cell][rows]
                    product.reshape(-1, n).sum(0, out=out[k])

            ctx.grad(self.weight_ch, write)


def _empty(shape, dtype):
    """Fresh memory of shape (batch, channels, *places), channels last."""
    return _first(np.empty((shape[0], *shape[2:], shape[1]), dtype))


def _first(v):
    """``(batch, *places, channels)`` seen as ``(batch, channels, *places)``."""
    return np.moveaxis(v, -1, 1)


def _frames(x):
    """All steps of all samples as one batch of pictures."""
    v = np.ascontiguousarray(np.moveaxis(x, 2, -1))
    return _first(v.reshape(v.shape[0] * v.shape[1], *v.shape[2:]))


class ConvLSTM1d(_ConvLSTM):
    __doc__ = f"""Over sequences of sequences (length). {_ConvLSTM.__doc__}"""
    rank = 1


class ConvLSTM2d(_ConvLSTM):
    __doc__ = f"""Over sequences of pictures (height, width). {_ConvLSTM.__doc__}"""
    rank = 2


class ConvLSTM3d(_ConvLSTM):
    __doc__ = f"""Over sequences of volumes (depth, height, width). {_ConvLSTM.__doc__}"""
    rank = 3
