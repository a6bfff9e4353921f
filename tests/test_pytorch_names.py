"""docs/names/pytorch.md is what PyTorch has and is not here under its name, and says no more than that."""

import inspect
import re
from pathlib import Path

import pytest
import torch

from sparkdl import nn, optim
from sparkdl.optim.config import _parameters

PAGE = Path(__file__).parents[1] / "docs" / "names" / "pytorch.md"
HOW = set(
    "self args kwargs device dtype inplace size_average reduce params optimizer last_epoch verbose foreach capturable"
    " differentiable fused maximize lambd".split()
)
RECURRENT = "input_size hidden_size num_layers bias batch_first dropout bidirectional proj_size".split()


def public(place, base):
    return {n: t for n, t in vars(place).items() if isinstance(t, type) and issubclass(t, base) and n[0].isupper()}


def theirs():
    schedules = public(torch.optim.lr_scheduler, torch.optim.lr_scheduler.LRScheduler)
    rules = public(torch.optim, torch.optim.Optimizer)
    bases = {"LRScheduler", "Optimizer", "Module"}
    layers = public(torch.nn, torch.nn.Module)
    return {n: t for n, t in {**layers, **rules, **schedules}.items() if n not in bases}


def arguments(name, cls):
    if name in ("RNN", "LSTM", "GRU"):
        return RECURRENT
    return [p for p in inspect.signature(cls.__init__).parameters if p not in HOW]


def ours(name):
    return getattr(nn if name in nn.__all__ else optim, name)


def listed():
    """``Name`` and ``Name(argument)`` of the first column."""
    names, options = set(), set()
    for line in PAGE.read_text().splitlines():
        if line.startswith("|") and "---" not in line:
            cell = line.split("|")[1].strip()
            for name, given in re.findall(r"(\w+)(?:\(([^)]*)\))?", cell if cell != "PyTorch" else ""):
                options |= {f"{name}({each.strip()})" for each in given.split(",")} if given else set()
                names |= set() if given else {name}
    return names, options


def as_written():
    """PyTorch's versions differ in what they have: names that later ones add are no fault of the table's."""
    version = tuple(int(part) for part in torch.__version__.split(".")[:2])
    if version != (2, 13):
        pytest.skip(f"the table was written beside PyTorch 2.13, this is {torch.__version__}")


def test_what_is_not_here_under_pytorchs_name_stands_in_the_table():
    as_written()
    missing = {name for name in theirs() if name not in nn.__all__ and name not in optim.__all__}
    assert missing == listed()[0]


def test_arguments_that_are_not_taken_stand_in_the_table():
    as_written()
    missing = set()
    for name, cls in theirs().items():
        if name not in nn.__all__ and name not in optim.__all__:
            continue
        own = ours(name)
        known = set(inspect.signature(own.__init__).parameters)
        known |= set(_parameters(own)) if name in optim.__all__ else set()
        missing |= {f"{name}({each})" for each in arguments(name, cls) if each not in known}
    assert missing == listed()[1]
