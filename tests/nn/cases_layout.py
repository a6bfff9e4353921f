"""Rows for layers that take channels last (``data_format="NHWC"``), and for convolutions that pad with the picture."""

import dataclasses

import numpy as np

from sparkdl import nn
from sparkdl.nn.layers.layout import first, last
from tests.nn import (
    cases_affine,
    cases_basic,
    cases_detection,
    cases_imported,
    cases_norms,
    cases_recurrent,
    cases_shapes,
)
from tests.nn.case import Case

ROWS = {**cases_affine.CASES, **cases_basic.CASES, **cases_imported.CASES, **cases_norms.CASES, **cases_shapes.CASES}
LAST = """
Conv1d | Conv2d | Conv2d, strided, padded, dilated | Conv3d | ConvTranspose1d | ConvTranspose2d | ConvTranspose3d
MaxPool1d | MaxPool2d | MaxPool3d | AvgPool1d | AvgPool2d | AvgPool3d | AdaptiveAvgPool2d | AdaptiveMaxPool2d
GlobalAvgPool | GlobalMaxPool | BatchNorm1d, of sequences, plain mean of statistics | BatchNorm2d | BatchNorm3d
Upsample | ResizeBilinear | ZeroPad2d | ReflectionPad2d | Crop2d | LocallyConnected1d | LocallyConnected2d | Dropout2d
LocalResponseNorm | WithinChannelLRN | GroupNorm | GroupNorm, of vectors, without weights | InstanceNorm1d
InstanceNorm2d | InstanceNorm3d | PixelShuffle | PixelUnshuffle
"""


def torch_last(make):
    """PyTorch's layer between two changes of layout."""

    def made(torch):
        layer = make(torch)
        if not isinstance(layer, torch.nn.Module):
            return lambda x: moved(layer(x.movedim(-1, 1)))
        base = type(layer)

        def forward(self, x):
            return moved(base.forward(self, x.movedim(-1, 1)))

        layer.__class__ = type(base.__name__, (base,), {"forward": forward})
        return layer

    return made


def moved(y):
    return y if y.ndim < 3 else y.movedim(1, -1)


def reference_last(reference):
    if not callable(reference):
        return reference

    def computed(layer, x):
        y = np.asarray(reference(layer, first(x)))
        return last(y)

    return computed


def channels_last(case):
    """The row of the same layer with channels last."""
    ((batch, channels, *places),) = case.shapes
    return dataclasses.replace(
        case,
        make=with_channels_last(case),
        shapes=((batch, *places, channels),),
        reference=reference_last(case.reference),
        training=reference_last(case.training),
        torch=case.torch and torch_last(case.torch),
        bad=(),
        refused=(),
    )


def regions_last(case):
    """The row of a layer of pictures and regions, with channels last in its input and in each region's map."""

    def reference(layer, x, regions):
        return np.moveaxis(case.reference(layer, first(x), regions), 2, -1)

    (batch, channels, *places), regions = case.shapes
    return dataclasses.replace(
        case, make=with_channels_last(case), shapes=((batch, *places, channels), regions), reference=reference,
        torch=None,
        bad=[(((batch, 3), regions), r"takes \(batch, height, width, channels\)")], refused=(),
    )  # fmt: skip


def sequences_last(case):
    """The row of a recurrent layer of pictures, channels last in inputs, states and outputs."""

    def reference(layer, x, *others):
        others = [other if other.ndim < 3 else first(other) for other in others]
        found = case.reference(layer, np.moveaxis(x, -1, 2), *others)
        found = found if isinstance(found, list) else [found]
        outputs = [np.moveaxis(found[0], 2 if layer.return_sequences else 1, -1), *map(last, found[1:])]
        return outputs if len(outputs) > 1 else outputs[0]

    (batch, steps, channels, *places), *states = case.shapes
    others = [] if states else [((2, 3, *[4] * len(places), channels + 1), f", {channels}\\), got")]
    return dataclasses.replace(
        case,
        make=with_channels_last(case),
        shapes=((batch, steps, *places, channels), *(s if len(s) < 3 else (s[0], *s[2:], s[1]) for s in states)),
        reference=reference,
        torch=None,
        bad=[((2, 3), r"takes \(batch, steps, "), *others],
        refused=(),
    )


def with_channels_last(case):
    def make():
        layer = case.make()
        return type(layer)(**{**layer.config(), "data_format": "NHWC"})

    return make


def bordered(mode, rank):
    """A convolution written out, of pictures that NumPy pads."""

    def computed(layer, x):
        pads = [(0, 0), (0, 0), *layer.windows.pads]
        name = {"replicate": "edge", "circular": "wrap"}.get(mode, mode)
        bare = type(layer)(**{**layer.config(), "padding": 0, "padding_mode": "zeros"}).double()
        bare.load_state_dict(layer.state_dict())
        return cases_basic.convolution(bare, np.pad(x, pads, mode=name))

    return computed


CASES = {
    "Conv2d, pictures with other channels": Case(
        lambda: nn.Conv2d(3, 2, 1, data_format="NHWC"),
        (2, 4, 5, 3),
        lambda layer, x: last(cases_basic.convolution(layer, first(x))),
        bad=[((2, 3, 4, 5), r"\(batch, height, width, 3\), got \(2, 3, 4, 5\)")],
    ),
    **{f"{name}, channels last": channels_last(ROWS[name]) for name in LAST.strip().replace("\n", " | ").split(" | ")},
    "RoiPool, channels last": regions_last(cases_detection.CASES["RoiPool"]),
    "RoiAlign, channels last": regions_last(cases_detection.CASES["RoiAlign"]),
    "ConvLSTM2d, channels last": sequences_last(cases_recurrent.CASES["ConvLSTM2d"]),
    "ConvLSTM3d, states, channels last": sequences_last(
        Case(
            lambda: nn.ConvLSTM3d(2, 3, (1, 3, 1), return_sequences=False, return_state=True),
            ((3, 4, 2, 2, 3, 2), (3, 3, 2, 3, 2), (3, 3, 2, 3, 2)),
            cases_recurrent.conv_lstm,
        )
    ),
    "ConvLSTM2d, lengths and states, channels last": sequences_last(
        cases_recurrent.CASES["ConvLSTM2d, lengths and states"]
    ),
    "Conv1d, circular": Case(
        lambda: nn.Conv1d(2, 3, 3, padding=2, padding_mode="circular"),
        (2, 2, 5),
        bordered("circular", 1),
        torch=lambda t: t.nn.Conv1d(2, 3, 3, padding=2, padding_mode="circular"),
        bad=[((2, 2, 1), "continued at most")],
    ),
    "Conv2d, reflect": Case(
        lambda: nn.Conv2d(2, 4, 3, (2, 1), (1, 2), groups=2, padding_mode="reflect"),
        (2, 2, 5, 4),
        bordered("reflect", 2),
        torch=lambda t: t.nn.Conv2d(2, 4, 3, (2, 1), (1, 2), groups=2, padding_mode="reflect"),
        bad=[((2, 2, 5, 2), "mirrored at most 1 wide")],
        refused=[
            (lambda: nn.Conv2d(2, 4, 3, padding_mode="mirror"), "padding_mode must be one of"),
            (lambda: nn.Conv2d(2, 4, 3, data_format="CHWN"), "data_format must be one of"),
        ],
    ),
    "Conv2d, same, replicate": Case(
        lambda: nn.Conv2d(2, 3, (2, 3), padding="same", padding_mode="replicate"),
        (2, 2, 4, 5),
        bordered("replicate", 2),
        torch=lambda t: t.nn.Conv2d(2, 3, (2, 3), padding="same", padding_mode="replicate"),
    ),
    "Conv3d, replicate": Case(
        lambda: nn.Conv3d(2, 2, 2, padding=1, padding_mode="replicate", bias=False),
        (2, 2, 3, 2, 3),
        bordered("replicate", 3),
        torch=lambda t: t.nn.Conv3d(2, 2, 2, padding=1, padding_mode="replicate", bias=False),
    ),
}
