"""Solvers: rule, schedule, regularisation and length of training."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparkdl.errors import FormatError, UnsupportedError
from sparkdl.importers.caffe import prototxt
from sparkdl.importers.caffe.message import Message
from sparkdl.importers.caffe.net import DATA, in_phase, read_net
from sparkdl.importers.limits import reading

if TYPE_CHECKING:
    from sparkdl.optim import Trainer

_OLD = {"SGD": "SGD", "NESTEROV": "Nesterov", "ADAGRAD": "AdaGrad", "RMSPROP": "RMSProp", "ADADELTA": "AdaDelta", "ADAM": "Adam"}
_BATCH = ("data_param", "image_data_param", "hdf5_data_param", "memory_data_param", "window_data_param")


def read_solver(path: str | Path) -> Message:
    """The solver of a text file."""
    with reading(path):
        solver = prototxt.load_text(path, "SolverParameter")
        if solver["base_lr"] is None:
            raise FormatError(f"{path} is no solver: base_lr is missing.")
        rule_and_schedule(solver)
        if solver.unknown:
            warnings.warn(f"{path}: unknown fields {solver.unknown} are ignored.", stacklevel=3)
        return solver


def load_caffe_solver(
    path: str | Path,
    net: str | Path | None = None,
    weights: str | Path | None = None,
    *,
    inputs: Mapping[str, Sequence[int | None]] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Trainer:
    """A ``Trainer`` with the net, loss, rule, schedule and length of training of a solver's prototxt.

    ``net`` is the train net's prototxt, if it does not lie where the solver says (beside the solver, or at the path
    it names from there); ``weights`` start from a ``.caffemodel``; ``inputs`` are shapes that the net's data layers do
    not tell, ``{"data": (1, 28, 28)}``. A snapshot interval becomes checkpoints, once
    ``checkpoint`` names a folder for them; a test interval says when ``fit(..., validation=...)`` looks at its data,
    all of it (``test_iter`` is not asked). Further ``options`` go to the Trainer and overrule the solver
    (``batch_size=64``). Learning rate and decay multipliers of the net become parameter groups; those of 0 freeze.

    The data layers' sources are not read: ``trainer.fit(df, features="image", label="label")``.
    """
    from sparkdl import optim
    from sparkdl.importers.caffe.load import load_caffe
    from sparkdl.importers.caffe.losses import loss_of

    solver = read_solver(path)
    with reading(path):
        prototxt_ = _net_of(solver, Path(path), net)
        state = solver["train_state"]
        model = load_caffe(prototxt_, weights, "TRAIN", inputs=inputs, level=state["level"], stages=state["stage"])
        beside = Path(path if isinstance(prototxt_, Message) else prototxt_).parent
        loss = loss_of(model.loss_layers, model.output_names, beside)
        if loss is None:
            raise FormatError(f"{prototxt_} has no loss layer in phase TRAIN.")
        kind, arguments, schedule = rule_and_schedule(solver)
        penalty = _penalty(solver)
        groups = _groups(model.multipliers, arguments, penalty)
        rule = getattr(optim, kind)(**arguments, schedule=schedule, groups=groups or None, regularizer=penalty)
        chosen: dict[str, Any] = {"batch_size": _batch_size(prototxt_, state) * max(solver["iter_size"], 1)}
        if solver["max_iter"]:
            chosen["end"] = optim.max_iteration(solver["max_iter"])
        if solver["test_interval"] > 0:
            chosen["validate"] = optim.several_iteration(solver["test_interval"])
        if solver["clip_gradients"] >= 0:
            chosen["clip"] = optim.ClipNorm(solver["clip_gradients"])
        if solver["random_seed"] >= 0:
            chosen["seed"] = solver["random_seed"]
        if checkpoint is not None:
            chosen["checkpoint"] = checkpoint
            if solver["snapshot"] > 0:
                chosen["checkpoint_every"] = optim.several_iteration(solver["snapshot"])
        if "max_epochs" in options:
            chosen.pop("end", None)
        return optim.Trainer(model.train(), loss, rule, **{**chosen, **options})


def rule_and_schedule(solver: Message) -> tuple[str, dict[str, Any], Any]:
    """Name of the update rule, its arguments, and its schedule or None."""
    kind = _OLD[solver["solver_type"]] if "solver_type" in solver and "type" not in solver else solver["type"]
    momentum, delta = solver["momentum"] or 0.0, solver["delta"]
    shared: dict[str, Any] = {"lr": solver["base_lr"]}
    if solver["weight_decay"] and solver["regularization_type"] == "L2":
        shared["weight_decay"] = solver["weight_decay"]
    if solver["regularization_type"] not in ("L1", "L2"):
        raise FormatError(f"regularization_type is L1 or L2, got {solver['regularization_type']!r}.")
    makers = {
        "SGD": lambda: ("SGD", {"momentum": momentum}),
        "Nesterov": lambda: ("SGD", {"momentum": momentum, "nesterov": momentum > 0}),
        "AdaGrad": lambda: ("Adagrad", {"eps": delta}),
        "RMSProp": lambda: ("RMSprop", {"alpha": solver["rms_decay"], "eps": delta}),
        "AdaDelta": lambda: ("Adadelta", {"rho": momentum, "eps": delta}),
        "Adam": lambda: ("Adam", {"betas": (momentum if "momentum" in solver else 0.9, solver["momentum2"]), "eps": delta}),
    }
    if kind not in makers:
        raise UnsupportedError(f"solver type {kind!r}; known are {', '.join(makers)}.")
    name, more = makers[kind]()
    try:
        return name, {**shared, **more}, _schedule(solver)
    except (FormatError, UnsupportedError):
        raise
    except ValueError as error:
        raise FormatError(f"the solver's learning rate policy makes no sense: {error}") from error


def _schedule(solver: Message) -> Any:
    from sparkdl import optim

    policy, gamma, power = solver["lr_policy"] or "fixed", solver["gamma"], solver["power"]
    needs = {
        "step": ("gamma", "stepsize"), "multistep": ("gamma", "stepvalue"), "exp": ("gamma",), "inv": ("gamma", "power"),
        "poly": ("power", "max_iter"), "sigmoid": ("gamma", "stepsize"), "multifixed": ("stagelr", "stageiter"),
    }  # fmt: skip
    missing = [field for field in needs.get(policy, ()) if field not in solver]
    if missing:
        raise FormatError(f"lr_policy {policy!r} needs {' and '.join(missing)}.")
    unit = {"unit": "iteration"}
    if policy == "fixed":
        return None
    if policy == "step":
        return optim.StepLR(solver["stepsize"], gamma, **unit)
    if policy == "multistep":
        return optim.MultiStepLR(list(solver["stepvalue"]), gamma, **unit)
    if policy == "exp":
        return optim.ExponentialLR(gamma, **unit)
    if policy == "inv":
        return optim.InversePowerLR(gamma, power)
    if policy == "poly":
        return optim.PolynomialLR(solver["max_iter"], power, **unit)
    if policy == "sigmoid":
        return optim.SigmoidLR(gamma, solver["stepsize"])
    if policy == "multifixed":
        return _stages(solver)
    raise UnsupportedError(f"lr_policy {policy!r}; known are fixed, {', '.join(needs)}.")


def _stages(solver: Message) -> Any:
    """Intel's multifixed: rates by hand, each up to and with an iteration; the last one stays."""
    from sparkdl import optim

    rates, ends = solver["stagelr"], solver["stageiter"]
    if len(rates) != len(ends) or not solver["base_lr"]:
        raise FormatError(f"lr_policy 'multifixed': {len(ends)} of stageiter, {len(rates)} of stagelr, base_lr {solver['base_lr']}.")
    factors = [optim.ConstantLR(rate / solver["base_lr"], sys.maxsize, "iteration") for rate in rates]
    return optim.SequentialLR(factors, [end + 1 for end in ends[:-1]], "iteration")


def _groups(multipliers: dict[str, tuple[float, float]], arguments: dict[str, Any], penalty: Any) -> dict[str, Any]:
    groups = {}
    for name, (rate, decay) in multipliers.items():
        if rate == 0:
            continue  # frozen
        options: dict[str, Any] = {"lr": arguments["lr"] * rate} if rate != 1 else {}
        if decay != 1 and "weight_decay" in arguments:
            options["weight_decay"] = arguments["weight_decay"] * decay
        if decay != 1 and penalty is not None:
            options["regularizer"] = type(penalty)(penalty.l1 * decay) if decay else None
        if options:
            groups[name.replace("[", "[[]")] = options
    return groups


def _penalty(solver: Message) -> Any:
    from sparkdl import optim

    return optim.L1(solver["weight_decay"]) if solver["weight_decay"] and solver["regularization_type"] == "L1" else None


def _net_of(solver: Message, path: Path, net: str | Path | Message | None) -> Any:
    if net is not None:
        return net
    for field in ("train_net_param", "net_param"):
        if field in solver:
            return solver[field]
    named = solver["train_net"] or solver["net"]
    if not named:
        raise FormatError(f"{path} names no net; give it: load_caffe_solver(path, net='train_val.prototxt').")
    inside = Path(str(named).replace("\\", "/"))
    beside = [path.parent / inside.name]
    if not inside.is_absolute() and ".." not in inside.parts:
        beside.insert(0, path.parent / inside)
    found = next((p for p in beside if p.is_file()), None)
    if found is None:
        raise FileNotFoundError(f"the net {named!r} of {path} is not beside it; give net=.")
    return found


def _batch_size(source: Any, state: Message) -> int:
    """The batch size of the train net's data layer; 32 where it has none."""
    net = read_net(source)
    own = net["state"]
    for layer in in_phase(net, "TRAIN", state["level"] or own["level"], [*own["stage"], *state["stage"]]):
        if layer["type"] in DATA:
            for field in _BATCH:
                if field in layer and layer[field]["batch_size"]:
                    return int(layer[field]["batch_size"])
    return 32
