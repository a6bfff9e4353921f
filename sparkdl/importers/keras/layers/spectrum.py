"""Layers that turn signals into spectra."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparkdl import nn
from sparkdl.importers.build import Value
from sparkdl.importers.keras.convert import Conversion
from sparkdl.importers.keras.layers.conv import channels
from sparkdl.importers.keras.layers.ops_products import framed, stft, times_matrix
from sparkdl.importers.keras.spec import LayerSpec
from sparkdl.importers.keras.table import converts
from sparkdl.importers.keras.tensor import Tensor
from sparkdl.nn.layers.same_pad import same_pads

_EPSILON = 1e-7  # Keras's own


def _kernels(spec: LayerSpec) -> list[str]:
    """The layer's weights: cosines and sines in windows, which can be trained."""
    mode = spec.get("mode", "log")
    return [*(["real_kernel"] if mode != "imag" else []), *(["imag_kernel"] if mode != "real" else [])]


@converts("STFTSpectrogram", variables=_kernels, note="all modes; the windows are weights")
def stft_spectrogram(c: Conversion) -> Tensor:
    mode, frame = c.spec.get("mode", "log"), c.number("frame_length", most=1 << 16)
    step = int(c.spec.get("frame_step", 0)) or frame // 2
    wide = int(c.spec.get("fft_length", 0)) or 2 ** int(np.ceil(np.log2(frame)))
    bins, x = wide // 2 + 1, channels(c, c.x)
    if c.spec.get("padding", "valid") == "same":
        ((before, after),) = same_pads([x.size(2)], (frame,), (step,), (1,))
        x = c.apply(nn.Pad(((0, 0), (before, after))), x, suffix="pad")
    pieces = framed(c, x, frame, step)
    names = _kernels(c.spec)

    def part(name: str) -> Value:
        def make() -> nn.Layer:
            layer = nn.Einsum("abcd,de->abec", (frame, bins))
            layer.weight.value = c.weight(names.index(name), (frame, 1, bins))[:, 0]
            return layer

        return c.apply(c.once(name, make), pieces, suffix=name)

    parts = [part(name) for name in names]
    if mode in ("real", "imag"):
        return _laid_out(c, parts[0])
    if mode == "angle":
        return _laid_out(c, c.apply(nn.FunctionOfTwo("arctan2"), parts[1], parts[0], suffix="angle"))
    if mode == "stft":
        return _laid_out(c, c.apply(nn.Concat(2), *parts, suffix="both"))
    power = c.apply(nn.Add(), *[c.apply(nn.Square(), p, suffix=f"square{i}") for i, p in enumerate(parts)], suffix="power")
    if mode == "psd":  # one side of the spectrum stands for both, but for its two ends
        twice = np.full((bins, 1), 2.0, np.float32)
        twice[0] = twice[-1] = 1
        return _laid_out(c, c.apply(nn.MulConstant(twice), power, suffix="psd"))
    size = c.apply(nn.Sqrt(), c.apply(nn.Clamp(_EPSILON, np.inf), power, suffix="floor"), suffix="size")
    if mode == "log":
        size = c.apply(nn.Log(), c.apply(nn.Clamp(_EPSILON, np.inf), size, suffix="least"), suffix="log")
    elif mode != "magnitude":
        raise c.fail(f"mode is {mode!r}")
    return _laid_out(c, size)


def _laid_out(c: Conversion, x: Value) -> Tensor:
    """(batch, channels, frequencies, frames) in the layer's layout."""
    first, apart = c.spec.channels_first, bool(c.spec.get("expand_dims", False))
    if apart:
        return Tensor(c.apply(nn.Permute((1, 3, 2) if first else (3, 2, 1)), x))
    joined = c.apply(nn.Reshape((x.size(1) * x.size(2), x.size(3))), x, suffix="joined")
    return Tensor(joined if first else c.apply(nn.Permute((2, 1)), joined))


def _decibels(spec: LayerSpec) -> str | None:
    return "power_to_db cuts at the largest value of the whole batch; set power_to_db=False" if spec.get("power_to_db", True) else None


@converts("MelSpectrogram", refuse=_decibels, note="with power_to_db=False")
def mel_spectrogram(c: Conversion) -> Tensor:
    x, length = c.x.plain, c.number("fft_length", most=1 << 16)
    frame = int(c.spec.get("sequence_length", 0)) or length
    real, imaginary = stft(c, x, frame, c.number("sequence_stride"), length, c.spec.config.get("window", "hann"))
    size = c.apply(nn.FunctionOfTwo("hypot"), real, imaginary, suffix="size")
    power = float(c.spec.get("mag_exp", 2.0))
    size = size if power == 1 else c.apply(nn.Power(power), size, suffix="power")
    y = times_matrix(c, size, _mel_filters(c, length // 2 + 1), "mel")
    return Tensor(c.apply(nn.Transpose(y.ndim - 2, y.ndim - 1), y))


def _mel(hertz: Any) -> Any:
    return 2595 * np.log10(1 + np.asarray(hertz, np.float64) / 700)


def _mel_filters(c: Conversion, bins: int) -> np.ndarray:
    """Triangles that are even on the mel scale, as HTK's, (frequencies, bands)."""
    rate = float(c.spec.get("sampling_rate", 16000))
    high = float(c.spec.get("max_freq", 0)) or rate / 2
    places = _mel(np.linspace(0, rate / 2, bins))[1:, None]
    edges = np.linspace(_mel(float(c.spec.get("min_freq", 20.0))), _mel(high), c.number("num_mel_bins", most=1 << 12) + 2)
    low, middle, top = edges[:-2], edges[1:-1], edges[2:]
    slopes = np.minimum((places - low) / (middle - low), (top - places) / (top - middle))
    return np.pad(np.maximum(slopes, 0), ((1, 0), (0, 0))).astype(np.float32)
