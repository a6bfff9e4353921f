"""How far whole-model gradients are from float64: sparkdl's, and those of PyTorch in both of its layouts.

    python benchmarks/gradients.py [--models vgg16 resnet18 mobilenet lenet mlp] [--batch 64]

The same weights, batch and loss for all. The error of a parameter's gradient is its largest difference from PyTorch's
float64 gradient over that gradient's largest value; printed are the median and the largest over all parameters. The
command fails where sparkdl's are more than twice the worse of PyTorch's two.
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

FACTOR = 2.0


def torch_gradients(model: Any, x: np.ndarray, y: np.ndarray, form: str, double: bool = False) -> dict[str, np.ndarray]:
    import copy

    import torch
    import torch.nn.functional as F

    model = copy.deepcopy(model).train()
    inputs = torch.from_numpy(x)
    if double:
        model, inputs = model.double(), inputs.double()
    elif form == "channels_last" and x.ndim == 4:
        model, inputs = model.to(memory_format=torch.channels_last), inputs.to(memory_format=torch.channels_last)
    F.cross_entropy(model(inputs), torch.from_numpy(y)).backward()
    return {name: p.grad.double().numpy() for name, p in model.named_parameters()}


def our_gradients(model: Any, x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
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
    ctx = Context(run, 0, True, (True,), model.dtype)
    _, weights = loss.forward(done.outputs[0], y, None, ctx)
    done.backward([loss.backward(ctx)])
    flat.settle()
    return {name: p.gradient / weights.sum() for name, p in model.named_parameters()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["vgg16", "resnet18", "mobilenet", "lenet", "mlp"])
    parser.add_argument("--batch", type=int, default=64, help="at most that of the workload in benchmarks/nets.py")
    given = parser.parse_args()
    failed = []
    for workload in given.models:
        x, y = (each[: given.batch] for each in data(workload, 1))  # one batch of the workload
        theirs, ours = their_model(workload), our_model(workload)
        ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
        exact = torch_gradients(theirs, x, y, "", double=True)
        found = {form: torch_gradients(theirs, x, y, form) for form in ("channels_first", "channels_last")}
        found["sparkdl"] = our_gradients(ours, x, y)
        worst = {}
        for name, grads in found.items():
            errors = [np.abs(grads[k] - g).max() / max(np.abs(g).max(), 1e-30) for k, g in exact.items()]
            worst[name] = statistics.median(errors)
            print(f"{workload:10s} {name:15s} median {statistics.median(errors):.1e}   largest {max(errors):.1e}")
        if worst["sparkdl"] > FACTOR * max(worst["channels_first"], worst["channels_last"]):
            failed.append(workload)
    if failed:
        raise SystemExit(f"gradients further from float64 than PyTorch's: {', '.join(failed)}")


if __name__ == "__main__":
    main()
