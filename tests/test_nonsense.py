"""Nonsense for every argument of every public layer, loss, rule, schedule, trigger and metric: one clear ValueError."""

from __future__ import annotations

import numpy as np
import pytest

from sparkdl import nn, optim
from sparkdl.arguments import ELSEWHERE, KINDS, VALUES
from tests.nn.cases import CASES as LAYERS
from tests.nn.losses.cases import CASES as LOSSES
from tests.optim.test_stored import STORED

NONSENSE = (object(), "nonsense", float("nan"), {"a": 1}, [object()], [[], "b"])
FREE = {"name", "message", "monitor"}  # any text will do
NODES = {"Graph"}  # takes nodes, which have a test of their own


def arguments():
    """``{class name: (class, arguments)}`` with one object of every public class that takes some."""
    objects = [case.make() for case in (*LAYERS.values(), *LOSSES)]
    objects += [optim.from_config(entry["config"]) for entry in STORED]
    found = {}
    for made in objects:
        name = type(made).__name__
        given = made.arguments() if hasattr(made, "arguments") else made.config()
        if name in (*nn.__all__, *optim.__all__) and given and name not in NODES:
            found.setdefault(name, (type(made), dict(given)))
    return found


ARGUMENTS = arguments()


@pytest.mark.parametrize("name", ARGUMENTS)
def test_every_wrong_argument_is_named(name):
    cls, given = ARGUMENTS[name]
    positional = {"schedules", "triggers"} & given.keys() if name in ("ChainedLR", "and_", "or_") else ()
    for argument in given:
        for value in NONSENSE:
            if isinstance(value, str) and (argument in FREE and name != "Function"):
                continue
            if value != value and ELSEWHERE.get(f"{name}.{argument}") is VALUES:
                continue
            with pytest.raises(ValueError, match=name) as caught:
                cls(value) if positional else cls(**{**given, argument: value})
            said = str(caught.value)
            assert argument.removesuffix("s") in said or repr(value)[:8] in said, f"{argument}={value!r}: {said}"
            assert len(said) < 600 and "\n" not in said


def test_classes_with_arguments_are_all_there():
    """Those that are not take others of their kind, or no arguments."""
    missing = set()
    for package, bases in (
        (nn, (nn.Layer, nn.Loss)),
        (optim, (optim.UpdateRule, optim.Schedule, optim.Trigger, optim.Metric)),
    ):
        for name in package.__all__:
            cls = getattr(package, name)
            if isinstance(cls, type) and issubclass(cls, bases) and name not in ARGUMENTS:
                missing.add(name)
    plain = {cls for cls in missing if not _takes_arguments(getattr(nn, cls, None) or getattr(optim, cls))}
    assert missing - plain <= {
        "ConvLSTM", "EpochDecayLR", "ElementwiseLoss", "LambdaLR", "Loss", "Metric", "SumMetric", "RowMetric",
        "UpdateRule", "Clocked", "OneCycleMomentum", "LBFGS", "ReduceLROnPlateau",
    }  # fmt: skip


def _takes_arguments(cls):
    import inspect

    kinds = inspect.Parameter
    return any(
        p.kind not in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD)
        for p in list(inspect.signature(cls.__init__).parameters.values())[1:]
    )


def test_numbers_of_numpy_are_numbers():
    layer = nn.Conv2d(np.int64(3), np.int32(4), np.array([3, 3]), bias=np.bool_(True))
    assert layer.weight.shape == (4, 3, 3, 3)
    assert optim.SGD(np.float32(0.1), momentum=np.float64(0.9)).lr == np.float32(0.1)
    assert optim.max_epoch(np.int64(3))(optim.Progress(epoch=3))


def test_classes_of_users_take_what_they_like():
    class Mine(nn.Layer):
        def __init__(self, in_channels, lr="fast"):
            super().__init__()
            self.in_channels, self.lr = in_channels, lr

    assert Mine("many", lr=None).in_channels == "many"


def test_the_table_names_arguments_that_exist():
    taken = {argument for _, given in ARGUMENTS.values() for argument in given}
    assert not {name.split(".")[0] for name in ELSEWHERE} - {
        *nn.__all__,
        *optim.__all__,
        "ConvLSTM1d",
        "SeparableConv1d",
        "SeparableConv3d",
        "LocallyConnected3d",
    }
    unused = set(KINDS) - taken
    assert len(unused) < 20, unused
