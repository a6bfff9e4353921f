"""What all recurrent layers share: stacking, directions, masks, initial and final states."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from sparkdl import memory
from sparkdl.errors import ShapeError
from sparkdl.kernel import num_threads
from sparkdl.nn import rng
from sparkdl.nn.kernels import gemm, leaves
from sparkdl.nn.layers.draws import uniform
from sparkdl.nn.layers.masks import step_mask
from sparkdl.nn.module import Layer
from sparkdl.nn.parameter import Parameter

MERGE_MODES = ("concat", "sum", "mul", "ave", None)
_ROWS_PER_THREAD = 8  # fewer do not fill a register tile


class Recurrent(Layer):
    """Base of RNN, LSTM and GRU; a subclass computes one layer in one direction.

    Shapes
    ------
    inputs   x (batch, steps, input_size); then, if wanted, in any order: a mask (batch, steps), 0 where a step is to
             be skipped, or lengths (batch,), and initial states (batch, num_layers * directions, hidden_size) in their
             order (h, then the LSTM's c); without them states start from 0
    output   (batch, steps, hidden_size), twice as wide for ``bidirectional`` with ``merge_mode="concat"``, two outputs
             with ``merge_mode=None``; (batch, ...) of the last step with ``return_sequences=False``. With
             ``return_state`` the final states follow, shaped as the initial ones
    weights  PyTorch's names and shapes: weight_ih_l0 (gates * hidden_size, input_size), weight_hh_l0, bias_ih_l0,
             bias_hh_l0, and so on for each layer, ``_reverse`` for the second direction

    A skipped step repeats the state and, but for ``zero_output_for_mask``, the output. ``go_backwards`` reads the steps
    from last to first and returns its outputs in that order. ``dropout`` is applied between layers, while training.
    """

    gates = 1
    carried = 1  # arrays of state

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, dropout: float = 0.0,
        bidirectional: bool = False, merge_mode: str | None = "concat", return_sequences: bool = True,
        return_state: bool = False, go_backwards: bool = False, zero_output_for_mask: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        kind = type(self).__name__
        if not (input_size >= 1 and hidden_size >= 1 and num_layers >= 1):
            raise ShapeError(f"{kind}: sizes must be >= 1, got {input_size!r}, {hidden_size!r}, {num_layers!r} layers.")
        if merge_mode not in MERGE_MODES:
            raise ValueError(f"{kind}: merge_mode is one of {MERGE_MODES}, got {merge_mode!r}.")
        if not 0 <= dropout < 1:
            raise ValueError(f"{kind}: dropout lies in 0 .. 1, got {dropout!r}.")
        self.input_size, self.hidden_size, self.num_layers, self.bias = input_size, hidden_size, num_layers, bias
        self.dropout, self.bidirectional, self.merge_mode = dropout, bidirectional, merge_mode
        self.return_sequences, self.return_state = return_sequences, return_state
        self.go_backwards, self.zero_output_for_mask = go_backwards, zero_output_for_mask
        split = bidirectional and merge_mode is None
        self.outputs = 1 + split + (self.carried if return_state else 0)
        for layer in range(num_layers):
            for suffix in self._suffixes:
                for name, parameter in self._new(self._width(layer)).items():
                    setattr(self, f"{name}_l{layer}{suffix}", parameter)
        self.reset_parameters()

    def _new(self, width: int) -> dict[str, Parameter]:
        """The weights of one layer in one direction, for inputs of ``width``."""
        rows = self.gates * self.hidden_size
        made = {
            "weight_ih": Parameter(np.zeros((rows, width), np.float32), axes=(1, 0)),
            "weight_hh": Parameter(np.zeros((rows, self.hidden_size), np.float32), axes=(1, 0)),
        }
        if self.bias:
            made["bias_ih"] = Parameter(np.zeros(rows, np.float32))
            made["bias_hh"] = Parameter(np.zeros(rows, np.float32))
        return made

    def reset_parameters(self):
        bound = 1 / np.sqrt(self.hidden_size)
        for parameter in self.parameters():
            parameter.value = rng.generator().uniform(-bound, bound, parameter.shape)

    @property
    def _suffixes(self) -> tuple[str, ...]:
        return ("", "_reverse") if self.bidirectional else ("",)

    def _width(self, layer: int) -> int:
        """How many values per step layer number ``layer`` reads."""
        doubled = self.bidirectional and self.merge_mode in ("concat", None)
        return self.input_size if layer == 0 else self.hidden_size * (2 if doubled else 1)

    def _weights(self, layer: int, suffix: str) -> SimpleNamespace:
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", *self.further)
        return SimpleNamespace(**{name: getattr(self, f"{name}_l{layer}{suffix}", None) for name in names})

    further: tuple[str, ...] = ()  # names of more weights

    # -- one layer in one direction: defined by subclasses -----------------------------------------------------------
    def scan(self, p: Any, gx: np.ndarray, start: list, mask: np.ndarray, back: bool) -> tuple[np.ndarray, list, Any]:
        """From ``gx``, the inputs' part of all gates (which it may overwrite), and the states at the start: the hidden
        states (batch, steps, hidden_size), the final states, and what ``scan_back`` needs."""
        raise NotImplementedError(f"{type(self).__name__} defines no scan.")

    def scan_back(
        self, p: Any, kept: Any, dhs: np.ndarray, dfinal: list, mask: np.ndarray, back: bool, ctx: Any
    ) -> tuple[np.ndarray, Any]:
        """The gradients of ``gx`` and of the states at the start; adds to those of the weights on the hidden side."""
        raise NotImplementedError(f"{type(self).__name__} defines no scan_back.")

    def input_bias(self, p: Any) -> np.ndarray | None:
        """What is added to ``gx``."""
        return p.bias_ih.data + p.bias_hh.data if self.bias else None

    # -- all layers ----------------------------------------------------------------------------------------------------
    def forward(self, x, *others, ctx):
        mask, states = self._sorted(x, others)
        x = np.ascontiguousarray(x[:, ::-1] if self.go_backwards else x)
        mask = np.ascontiguousarray(mask[:, ::-1] if self.go_backwards else mask)
        tape, finals = [], []
        for layer in range(self.num_layers):
            scale = None
            if layer and self.dropout and ctx.training:
                kept = uniform(ctx, x.shape, stream=layer) >= self.dropout
                scale = kept * x.dtype.type(1 / (1 - self.dropout))
                x = x * scale
            runs, seen = [], []
            for number, suffix in enumerate(self._suffixes):
                p = self._weights(layer, suffix)
                gx = memory.empty((*x.shape[:2], self.gates * self.hidden_size), x.dtype)
                gemm.affine(_rows(gx), _rows(x), p.weight_ih.data, self.input_bias(p))
                start = [np.ascontiguousarray(s[:, layer * len(self._suffixes) + number]) for s in states]
                hs, final, kept = self.scan(p, gx, start, mask, number == 1)
                finals.append(final)
                runs.append(kept)
                seen.append(hs * mask[:, :, None].astype(hs.dtype) if self.zero_output_for_mask and mask.size else hs)
            last = layer == self.num_layers - 1
            tape.append((x, scale, runs, seen))
            if not last:
                x = self._merged(seen, "concat" if self.merge_mode is None else self.merge_mode)
        ctx.save(mask, tape, [other.ndim for other in others])
        tops = seen if self.return_sequences else [final[0] for final in finals[-len(seen) :]]
        split = len(tops) == 2 and self.merge_mode is None
        y = list(tops) if split else [self._merged(tops, self.merge_mode)]
        if self.return_state:
            y += [np.stack([final[i] for final in finals], axis=1) for i in range(self.carried)]
        return tuple(y) if len(y) > 1 else y[0]

    def backward(self, *dys, ctx):
        mask, tape, given = ctx.saved  # given: the numbers of axes of the inputs after x
        directions = len(self._suffixes)
        count = self.outputs - (self.carried if self.return_state else 0)
        dtops, dlasts = list(dys[:count]), dys[count:]
        batch, steps = tape[0][0].shape[:2]
        wide = (batch, steps, self.hidden_size)
        deep = (batch, self.num_layers * directions, self.hidden_size)
        dstates = [np.zeros(deep, dys[0].dtype) for _ in range(self.carried)]
        dx = None
        for layer in reversed(range(self.num_layers)):
            x, scale, runs, seen = tape[layer]
            top = layer == self.num_layers - 1
            mode = self.merge_mode if top or self.merge_mode is not None else "concat"
            if top and not self.return_sequences:
                parts = self._unmerged(dtops, [kept.final for kept in runs], mode)
                dseen, dends = [np.zeros(wide, x.dtype) for _ in runs], parts
            else:
                dseen = self._unmerged(dtops if top else [dx], seen, mode)
                dends = [None] * directions
            dx = None
            for number, suffix in enumerate(self._suffixes):
                p, place = self._weights(layer, suffix), layer * directions + number
                dfinal = [np.array(d[:, place], order="C") for d in dlasts] or [
                    np.zeros((batch, self.hidden_size), x.dtype) for _ in range(self.carried)
                ]
                if dends[number] is not None:
                    dfinal[0] += dends[number]
                dhs = dseen[number]
                if self.zero_output_for_mask and mask.size:
                    dhs = dhs * mask[:, :, None].astype(dhs.dtype)
                dhs = np.ascontiguousarray(dhs)
                dgx, dstart = self.scan_back(p, runs[number], dhs, dfinal, mask, number == 1, ctx)
                for i, each in enumerate(dstart):
                    dstates[i][:, place] = each
                self._input_grads(p, x, dgx, ctx)
                if layer or ctx.needs[0]:
                    part = memory.empty(x.shape, x.dtype)
                    gemm.matmul(_rows(part), _rows(dgx), p.weight_ih.data.T)
                    dx = part if dx is None else dx + part
            if scale is not None:
                dx = dx * scale
        if dx is not None and self.go_backwards:
            dx = dx[:, ::-1]
        if not given:
            return dx
        states = iter(dstates)
        return dx, *(next(states) if rank == 3 else None for rank in given)

    def _input_grads(self, p, x, dgx, ctx):
        hidden_grad(ctx, p.weight_ih, x, dgx)
        if self.bias:
            step_sums(ctx, p.bias_ih, dgx)

    # -- inputs and outputs --------------------------------------------------------------------------------------------
    def _sorted(self, x, others):
        """The mask (batch, steps) as bytes, of size 0 for none, and the states at the start."""
        if x.ndim != 3 or x.shape[2] != self.input_size:
            raise ShapeError(f"{self!r} takes (batch, steps, {self.input_size}), got {x.shape}.")
        wide = (len(x), self.num_layers * len(self._suffixes), self.hidden_size)
        states = [other for other in others if other.ndim == 3]
        masks = [other for other in others if other.ndim != 3]
        if len(states) not in (0, self.carried) or any(s.shape != wide for s in states):
            raise ShapeError(f"{self!r} takes {self.carried} states {wide}, got {[s.shape for s in states]}.")
        mask = step_mask(self, x.shape[:2], masks)
        return mask, states or [np.zeros(wide, x.dtype) for _ in range(self.carried)]

    def _merged(self, parts, mode):
        if len(parts) == 1:
            return parts[0]
        a, b = parts
        if mode == "concat":
            return np.concatenate(parts, axis=-1)
        return {"sum": lambda: a + b, "mul": lambda: a * b, "ave": lambda: (a + b) * a.dtype.type(0.5)}[mode]()

    def _unmerged(self, dys, parts, mode):
        """The gradients of the two directions."""
        if len(parts) == 1 or mode is None:
            return dys
        (dy,), (a, b) = dys, parts
        if mode == "concat":
            return [dy[..., : a.shape[-1]], dy[..., a.shape[-1] :]]
        if mode == "mul":
            return [dy * b, dy * a]
        return [dy, dy] if mode == "sum" else [dy * dy.dtype.type(0.5)] * 2


def _rows(x):
    """All vectors of a contiguous array, one below the other."""
    return x.reshape(x.shape[0] * x.shape[1], x.shape[2])


def before(hs, start, back):
    """The states that each step starts from: ``hs`` moved by one step."""
    moved = memory.empty(hs.shape, hs.dtype)
    if back:
        moved[:, :-1], moved[:, -1:] = hs[:, 1:], start[:, None]
    else:
        moved[:, 1:], moved[:, :1] = hs[:, :-1], start[:, None]
    return moved


def parts_of(batch: int) -> int:
    """Over how many threads the rows of a batch are dealt out."""
    return max(1, min(num_threads(), batch // _ROWS_PER_THREAD))


def hidden_grad(ctx, parameter, before_, dgates):
    """Adds the gradient of a weight that multiplies the states ``before_`` into gates."""
    x, dy, steps = _rows(before_), _rows(np.ascontiguousarray(dgates)), before_.shape[1]
    ctx.grad_tree(parameter, lambda out, bounds: leaves.product(out, x, dy, bounds * steps))


def step_sums(ctx, parameter, dgates):
    """Adds the gradient of a bias: sums over rows and steps."""
    dy, steps = _rows(np.ascontiguousarray(dgates)), dgates.shape[1]
    ctx.grad_tree(parameter, lambda out, bounds: leaves.column_sums(out, dy, bounds * steps))
