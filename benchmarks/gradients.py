"""How far whole-model gradients are from float64: sparkdl's, and those of PyTorch in both of its layouts.

    python benchmarks/gradients.py [--models vgg16 resnet18 mobilenet lenet mlp] [--batch 64] [--batches 4]

The same weights, batches and loss for all. The error of a parameter's gradient is its largest difference from PyTorch's
float64 gradient over that gradient's largest value. A batch is judged by the median of its parameters. It jumps as soon
as a rounding turns a single ReLU on or off or makes another pixel the largest, so several batches say more than one:
printed are the median and the mean over the batches, and the largest error of all. Outputs have no such jumps: their
error is the root of the mean square, over the standard deviation.

The command fails where the mean of sparkdl's gradients, or the error of its outputs, is more than 1.5 times the worse
of PyTorch's two.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from benchmarks.nets import data, our_model, their_model  # noqa: E402

FACTOR = 1.5


Found = tuple[np.ndarray, dict[str, np.ndarray]]  # outputs, and gradients by parameter


def torch_gradients(model: Any, x: np.ndarray, y: np.ndarray, form: str, double: bool = False) -> Found:
    import copy

    import torch
    import torch.nn.functional as F

    model = copy.deepcopy(model).train()
    inputs = torch.from_numpy(x)
    if double:
        model, inputs = model.double(), inputs.double()
    elif form == "channels_last" and x.ndim == 4:
        model, inputs = model.to(memory_format=torch.channels_last), inputs.to(memory_format=torch.channels_last)
    outputs = model(inputs)
    F.cross_entropy(outputs, torch.from_numpy(y)).backward()
    return outputs.detach().double().numpy(), {n: p.grad.double().numpy() for n, p in model.named_parameters()}


def our_gradients(model: Any, x: np.ndarray, y: np.ndarray) -> Found:
    """Through the plan, with eight virtual shards, as the Trainer computes them."""
    from sparkdl import nn
    from sparkdl.nn.context import Context, Run
    from sparkdl.nn.flat import Flat

    model.train()
    flat, loss = Flat(model), nn.CrossEntropyLoss()
    bounds = np.linspace(0, len(x), 9).astype(np.int64)
    run = Run(training=True, rows=np.arange(len(x)), bounds=bounds, shards=8, grads=flat.by_parameter)
    flat.clear()
    done = nn.Planned(model).forward((x,), run)
    outputs = done.outputs[0].astype(np.float64)
    ctx = Context(run, 0, True, (True,), model.dtype)
    _, weights = loss.forward(done.outputs[0], y, None, ctx)
    done.backward([loss.backward(ctx)])
    flat.settle()
    return outputs, {name: p.gradient / weights.sum() for name, p in model.named_parameters()}


def errors(found: Found, exact: Found) -> tuple[float, list[float]]:
    """Of the outputs, and of each parameter's gradient."""
    (outputs, grads), (right, slopes) = found, exact
    off = [np.abs(grads[k] - g).max() / max(np.abs(g).max(), 1e-30) for k, g in slopes.items()]
    return float(np.sqrt(np.mean((outputs - right) ** 2)) / right.std()), off


def compare(workload: str, batch: int, batches: int) -> bool:
    """Prints a line per engine; whether sparkdl's numbers are near enough."""
    rows, labels = data(workload, batches)
    size = len(rows) // batches
    theirs = their_model(workload)
    weights = {k: v.numpy().copy() for k, v in theirs.state_dict().items()}
    medians: dict[str, list[float]] = {}
    largest: dict[str, float] = {}
    outputs: dict[str, list[float]] = {}
    for start in range(0, batches * size, size):
        x, y = (each[start : start + min(batch, size)] for each in (rows, labels))
        exact = torch_gradients(theirs, x, y, "", double=True)
        found = {form: torch_gradients(theirs, x, y, form) for form in ("channels_first", "channels_last")}
        ours = our_model(workload)
        ours.load_state_dict(weights)
        found["sparkdl"] = our_gradients(ours, x, y)
        for name, each in found.items():
            output, off = errors(each, exact)
            outputs.setdefault(name, []).append(output)
            medians.setdefault(name, []).append(statistics.median(off))
            largest[name] = max(largest.get(name, 0.0), *off)
    for name, each in medians.items():
        print(
            f"{workload:10s} {name:15s} outputs {statistics.mean(outputs[name]):.1e}   gradients: median "
            f"{statistics.median(each):.1e}  mean {statistics.mean(each):.1e}  largest {largest[name]:.1e}", flush=True,
        )  # fmt: skip
    near = True
    for what in (medians, outputs):
        mean = {name: statistics.mean(each) for name, each in what.items()}
        near &= mean.pop("sparkdl") <= FACTOR * max(mean.values())
    return near


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["vgg16", "resnet18", "mobilenet", "lenet", "mlp"])
    parser.add_argument("--batch", type=int, default=64, help="at most that of the workload in benchmarks/nets.py")
    parser.add_argument("--batches", type=int, default=4)
    given = parser.parse_args()
    failed = [workload for workload in given.models if not compare(workload, given.batch, given.batches)]
    if failed:
        raise SystemExit(f"gradients further from float64 than PyTorch's: {', '.join(failed)}")


if __name__ == "__main__":
    main()
