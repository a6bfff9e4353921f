"""Products of tensors in a functional model: Einstein sums, matrices, attention, Fourier transforms."""

from __future__ import annotations

from collections.abc import Callable
from string import ascii_lowercase
from typing import Any

import numpy as np

from sparkdl import nn
from sparkdl.importers.build import Value
from sparkdl.importers.keras.convert import Conversion
from sparkdl.importers.keras.layers.arguments import Arguments, constant
from sparkdl.importers.keras.tensor import Tensor
from sparkdl.importers.limits import within

_LETTERS = ascii_lowercase + ascii_lowercase.upper()


def times(c: Conversion, x: Value, array: Any, equation: str, suffix: str = "") -> Value:
    """An Einstein sum with an array of constants."""
    array = np.asarray(array, np.float32)
    layer = nn.Einsum(equation, array.shape)
    layer.weight.value = array
    layer.freeze()
    return c.apply(layer, x, suffix=suffix)


def times_matrix(c: Conversion, x: Value, matrix: Any, suffix: str = "") -> Value:
    """``x @ matrix`` along the last axis."""
    axes = _LETTERS[: x.ndim]
    return times(c, x, matrix, f"{axes},{axes[-1]}Z->{axes[:-1]}Z", suffix)


def _einsum(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "equation")
    given = [a for a in c.args if not isinstance(a, str)] or [v for v in c.kwargs.values() if isinstance(v, Tensor)]
    operands = [each for a in given for each in (a if isinstance(a, list) and any(isinstance(t, Tensor) for t in a) else [a])]
    equation = str(call["subscripts"] or call["equation"] or next((a for a in c.args if isinstance(a, str)), ""))
    ranks = [t.ndim if isinstance(t, Tensor) else np.ndim(constant(c, t)) for t in operands]
    equation = _plain_equation(c, equation, ranks)
    tensors = [t for t in operands if isinstance(t, Tensor)]
    if len(tensors) == len(operands):
        return Tensor(c.apply(nn.EinsumOf(equation), *[t.plain for t in tensors]))
    if len(tensors) != 1 or len(operands) != 2:
        raise c.refuse("a sum over constants and several tensors; multiply the constants in apart")
    read, _, out = equation.partition("->")
    terms = read.split(",")
    if not isinstance(operands[0], Tensor):
        terms, operands = terms[::-1], operands[::-1]
    return Tensor(times(c, tensors[0].plain, constant(c, operands[1]), f"{terms[0]},{terms[1]}->{out}"))


def _plain_equation(c: Conversion, equation: str, ranks: list[int]) -> str:
    """Without blanks and ellipses, with its output written out."""
    read, arrow, out = equation.replace(" ", "").partition("->")
    terms = read.split(",")
    if len(terms) != len(ranks):
        raise c.fail(f"{equation!r} does not fit {len(ranks)} operands")
    if not arrow:
        letters = [a for a in read if a.isalpha()]
        out = ("..." if "..." in read else "") + "".join(sorted(a for a in set(letters) if letters.count(a) == 1))
    free = [a for a in _LETTERS if a not in equation]
    longest = max([rank - len(t) + 3 for t, rank in zip(terms, ranks, strict=True) if "..." in t], default=0)
    within("axes of an ellipsis", longest, len(free))
    spare = "".join(free[:longest])
    made = [t.replace("...", spare[longest - (rank - len(t) + 3) :]) for t, rank in zip(terms, ranks, strict=True)]
    return f"{','.join(made)}->{out.replace('...', spare)}"


def _matmul(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1", "x2")
    a, b = call["x1"], call["x2"]
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        if kind != "Matmul":
            raise c.refuse("the product of two tensors mixes the samples of the batch; use matmul or einsum")
        return Tensor(_matrices(c, a.plain, b.plain, bool(call["transpose_a"]), bool(call["transpose_b"])))
    if isinstance(a, Tensor):
        matrix = np.asarray(constant(c, b), np.float32)
        matrix = matrix.swapaxes(-1, -2) if call["transpose_b"] else matrix
        if matrix.ndim > 2 or (matrix.ndim == 1 and kind == "Matmul" and a.ndim < 2):
            raise c.refuse(f"a constant of {matrix.ndim} axes; matrices and vectors are known")
        axes = _LETTERS[: a.ndim]
        if matrix.ndim == 1:
            return Tensor(times(c, a.plain, matrix, f"{axes},{axes[-1]}->{axes[:-1]}"))
        return Tensor(times_matrix(c, a.plain, matrix.T if kind == "Inner" else matrix))
    matrix, x = np.asarray(constant(c, a), np.float32), call.tensor("x2")
    if matrix.ndim != 2 or x.ndim < 3 or kind != "Matmul":
        raise c.refuse("a constant in front of it; a matrix in front of matrices is known")
    axes = _LETTERS[: x.ndim]
    return Tensor(times(c, x.plain, matrix, f"{axes},Z{axes[-2]}->{axes[:-2]}Z{axes[-1]}"))


def _matrices(c: Conversion, a: Value, b: Value, turn_a: bool = False, turn_b: bool = False) -> Value:
    """Products of matrices; those of a batch of vectors, and axes of size 1 that are stretched."""
    if a.ndim == 2 or b.ndim == 2:
        raise c.refuse("the product of two arrays of which one has only a batch and one more axis mixes the samples")
    if a.ndim != b.ndim:
        raise c.refuse(f"{a.ndim} axes times {b.ndim} axes bring the batch of one onto another axis of the other")
    for axis in range(1, a.ndim - 2):
        n, m = a.size(axis), b.size(axis)
        a = c.apply(nn.Repeat(axis, m), a, suffix=f"left{axis}") if n == 1 != m else a
        b = c.apply(nn.Repeat(axis, n), b, suffix=f"right{axis}") if m == 1 != n else b
    return c.apply(nn.MatMul(turn_a, turn_b), a, b)


def _tensordot(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1", "x2", "axes")
    x, other, axes = call.tensor(), call["x2"], call["axes"] if call["axes"] is not None else 2
    if isinstance(other, Tensor):
        raise c.refuse("the product of two tensors mixes the samples of the batch; use einsum")
    array = np.asarray(constant(c, other), np.float32)
    axes = axes.get("items", axes) if isinstance(axes, dict) else axes
    pairs = [list(range(x.ndim - axes, x.ndim)), list(range(axes))] if isinstance(axes, int) else [[a] if isinstance(a, int) else list(a) for a in axes]
    left, right = [a % x.ndim for a in pairs[0]], [a % array.ndim for a in pairs[1]]
    if 0 in left or len(left) != len(right):
        raise c.refuse(f"axes {axes!r} take in the batch")
    first, second = _LETTERS[: x.ndim], list(_LETTERS[26 : 26 + array.ndim])
    for a, b in zip(left, right, strict=True):
        second[b] = first[a]
    out = [a for i, a in enumerate(first) if i not in left] + [b for i, b in enumerate(second) if i not in right]
    return Tensor(times(c, x.plain, array, f"{first},{''.join(second)}->{''.join(out)}"))


def _cross(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1", "x2", "axis", "axisa", "axisb", "axisc")
    a, b = call.tensor().plain, call.tensor("x2").plain
    last = a.ndim - 1
    named = [call[n] for n in ("axis", "axisa", "axisb", "axisc") if call[n] is not None]
    if any(n not in (-1, last) for n in named) or a.size(last) != 3 or b.ndim != a.ndim or b.size(last) != 3:
        raise c.refuse("vectors of three along the last axis are known")

    def turned(x: Value, places: tuple[int, int, int], name: str) -> Value:
        return c.apply(nn.Take(places, last), x, suffix=name)

    ahead = c.apply(nn.Mul(), turned(a, (1, 2, 0), "a1"), turned(b, (2, 0, 1), "b2"), suffix="ahead")
    back = c.apply(nn.Mul(), turned(a, (2, 0, 1), "a2"), turned(b, (1, 2, 0), "b1"), suffix="back")
    return Tensor(c.apply(nn.Sub(), ahead, back))


def _of_matrix(c: Conversion, kind: str) -> Any:
    call = Arguments(c, "x1", "x2", "lower", "upper")
    a = call.tensor().plain
    if kind in ("Solve", "SolveTriangular"):
        b = call.tensor("x2").plain
        if kind == "SolveTriangular":
            a = triangle(c, a, 0, bool(call["lower"]), "triangle")
        column = b.ndim == a.ndim - 1
        b = c.apply(nn.Unsqueeze(b.ndim), b, suffix="column") if column else b
        y = c.apply(nn.Solve(), a, b, suffix="solved" if column else "")
        return Tensor(c.apply(nn.Squeeze(y.ndim - 1), y) if column else y)
    if kind == "Slogdet":
        sign = c.apply(nn.Function("sign"), c.apply(nn.Determinant(), a, suffix="det"), suffix="sign")
        return [Tensor(sign), Tensor(c.apply(nn.Determinant(log=True), a))]
    if kind == "Cholesky":
        y = c.apply(nn.Cholesky(), a, suffix="lower" if call["upper"] else "")
        return Tensor(c.apply(nn.Transpose(y.ndim - 2, y.ndim - 1), y) if call["upper"] else y)
    if kind == "CholeskyInverse":
        low = triangle(c, a, 0, not call["upper"], "triangle")
        square = c.apply(nn.MatMul(bool(call["upper"]), not call["upper"]), low, low, suffix="square")
        return Tensor(c.apply(nn.Inverse(), square))
    return Tensor(c.apply({"Inv": nn.Inverse, "Det": nn.Determinant, "Logdet": lambda: nn.Determinant(log=True)}[kind](), a))


def triangle(c: Conversion, x: Value, k: int, lower: bool, suffix: str = "") -> Value:
    """What lies on and below (or above) a diagonal of each matrix, the rest 0."""
    n, m = x.size(x.ndim - 2), x.size(x.ndim - 1)
    within("a matrix", n * m, 1 << 26)
    ones = np.ones((n, m), np.float32)
    return c.apply(nn.MulConstant(np.tril(ones, k) if lower else np.triu(ones, k)), x, suffix=suffix)


def _attention(c: Conversion, kind: str) -> Tensor:
    """``softmax(q k^T scale) v`` over (batch, time, heads, depth)."""
    call = Arguments(c, "query", "key", "value", "bias", "mask", "scale", "is_causal")
    call.values.setdefault("value", call["x1"])  # the short name of other operations
    q, k, v = (call.tensor(n).plain for n in ("query", "key", "value"))
    if call["bias"] is not None or call["mask"] is not None or q.size(2) != k.size(2):
        raise c.refuse("a mask, a bias or grouped heads; the layers MultiHeadAttention and GroupQueryAttention have them")
    scale = float(call["scale"]) if call["scale"] is not None else 1 / float(np.sqrt(q.size(3)))
    scores = c.apply(nn.EinsumOf("bqhd,bkhd->bhqk"), q, k, suffix="products")
    scores = c.apply(nn.MulConstant(scale), scores, suffix="scores")
    if call["is_causal"]:
        hidden = np.triu(np.full((q.size(1), k.size(1)), -1e9, np.float32), 1)
        scores = c.apply(nn.AddConstant(hidden), scores, suffix="causal")
    return Tensor(c.apply(nn.EinsumOf("bhqk,bkhd->bqhd"), c.apply(nn.Softmax(3), scores, suffix="softmax"), v))


# -- Fourier -----------------------------------------------------------------------------------------------------------
def spectrum(c: Conversion, x: Value, length: int, suffix: str = "") -> tuple[Value, Value]:
    """Real and imaginary part of the one-sided Fourier transform of the last axis, cut or filled up to ``length``."""
    n = x.size(x.ndim - 1)
    within("samples of a Fourier transform", n * length, 1 << 25)
    angle = 2 * np.pi * (np.arange(min(n, length))[:, None] * np.arange(length // 2 + 1) % length) / length
    if n > length:
        x = c.apply(nn.Narrow(x.ndim - 1, 0, length), x, suffix=f"{suffix}cut")
    return times_matrix(c, x, np.cos(angle), f"{suffix}real"), times_matrix(c, x, -np.sin(angle), f"{suffix}imaginary")


def _rfft(c: Conversion, kind: str) -> list[Tensor]:
    call = Arguments(c, "x1", "fft_length")
    x = call.tensor().plain
    return [Tensor(part) for part in spectrum(c, x, int(call["fft_length"] or x.size(x.ndim - 1)))]


def framed(c: Conversion, x: Value, length: int, stride: int, suffix: str = "frames") -> Value:
    """(batch, *, samples) -> (batch, *, frames, length)."""
    n = x.size(x.ndim - 1)
    count = (n - length) // stride + 1
    if length < 1 or stride < 1 or count < 1:
        raise c.fail(f"frames of {length} samples every {stride} of {n} samples")
    within("samples of all frames", count * length, 1 << 24)
    places = (np.arange(count)[:, None] * stride + np.arange(length)).ravel()
    taken = c.apply(nn.Take(tuple(places.tolist()), x.ndim - 1), x, suffix=f"{suffix}/places")
    return c.apply(nn.Reshape((*x.sizes()[:-1], count, length)), taken, suffix=suffix)


def window_of(c: Conversion, name: Any, length: int) -> np.ndarray:
    """A window function over one period."""
    if isinstance(name, str):
        place = 2 * np.pi * np.arange(length) / max(length, 1)
        known = {"hann": 0.5 - 0.5 * np.cos(place), "hamming": 0.54 - 0.46 * np.cos(place)}
        if name not in known:
            raise c.refuse(f"window {name!r}")
        return known[name]
    return np.ones(length) if name is None else np.ravel(constant(c, name))


def stft(c: Conversion, x: Value, frame: int, stride: int, length: int, window: Any = "hann", center: bool = True) -> tuple[Value, Value]:
    """Real and imaginary part (batch, *, frames, frequencies) of windows of a signal."""
    if frame > length:
        raise c.fail(f"frames of {frame} samples in transforms of {length}")
    if center:
        half, n = length // 2, x.size(x.ndim - 1)
        if half >= n:
            raise c.refuse(f"signals of {n} samples that are shorter than half a transform of {length}")
        places = [*range(half, 0, -1), *range(n), *range(n - 2, n - 2 - half, -1)]
        x = c.apply(nn.Take(tuple(places), x.ndim - 1), x, suffix="mirrored")
    before = (length - frame) // 2
    shape = np.pad(window_of(c, window, frame), (before, length - frame - before))
    pieces = c.apply(nn.MulConstant(shape.astype(np.float32)), framed(c, x, length, stride), suffix="windows")
    return spectrum(c, pieces, length)


def _stft(c: Conversion, kind: str) -> list[Tensor]:
    call = Arguments(c, "x1", "sequence_length", "sequence_stride", "fft_length", "window", "center")
    frame, stride, length = (int(call[n]) for n in ("sequence_length", "sequence_stride", "fft_length"))
    window = call["window"] if "window" in call.values else "hann"
    return [Tensor(part) for part in stft(c, call.tensor().plain, frame, stride, length, window, call["center"] is not False)]


def _frames(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1", "sequence_length", "sequence_stride")
    return Tensor(framed(c, call.tensor().plain, int(call["sequence_length"]), int(call["sequence_stride"]), "frames"))


KINDS: dict[str, Callable[[Conversion, str], Any]] = {
    "Einsum": _einsum, "Matmul": _matmul, "Dot": _matmul, "Inner": _matmul, "Tensordot": _tensordot, "Cross": _cross,
    **dict.fromkeys(["Inv", "Det", "Logdet", "Slogdet", "Cholesky", "CholeskyInverse", "Solve", "SolveTriangular"], _of_matrix),
    "DotProductAttention": _attention, "RFFT": _rfft, "STFT": _stft, "ExtractSequences": _frames,
}  # fmt: skip
