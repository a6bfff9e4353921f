"""Training steps (forward, backward, update) of sparkdl and PyTorch on the same cores, in turn, one process per engine.

    python benchmarks/cpu.py [workload ...] [--threads 1] [--rounds 7] [--seconds 1.0]

sparkdl runs the Trainer's own loop with its default number of virtual shards; PyTorch runs eager channels-first, eager
channels-last and torch.compile. Losses and weights after some steps on the same batches from the same weights are
compared first. Printed: time of each engine over that of sparkdl in the same round, median and minimum.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from benchmarks.harness import Engine, rounds  # noqa: E402

LR, MOMENTUM = 0.01, 0.9


def lenet(nn: Any, c1: int = 6, c2: int = 12, hidden: int = 100) -> list[Any]:
    return [
        nn.Conv2d(1, c1, 5), nn.Tanh(), nn.MaxPool2d(2), nn.Conv2d(c1, c2, 5), nn.Tanh(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(16 * c2, hidden), nn.Tanh(), nn.Linear(hidden, 10),
    ]  # fmt: skip


def lenet_caffe(nn: Any) -> list[Any]:
    return [
        nn.Conv2d(1, 20, 5), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(20, 50, 5), nn.MaxPool2d(2), nn.ReLU(),
        nn.Flatten(), nn.Linear(800, 500), nn.ReLU(), nn.Linear(500, 10),
    ]  # fmt: skip


def vgg16(nn: Any) -> list[Any]:
    layers: list[Any] = []
    channels = 3
    for width in (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"):
        if width == "M":
            layers.append(nn.MaxPool2d(2))
        else:
            layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            channels = width
    return [*layers, nn.Flatten(), nn.Linear(512, 10)]


def mlp(nn: Any) -> list[Any]:
    return [nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10)]


def mobilenet(nn: Any) -> list[Any]:
    """MobileNet-V1 for 224 x 224."""

    def unit(channels: int, out: int, *conv: Any, **options: Any) -> list[Any]:
        return [nn.Conv2d(channels, out, *conv, bias=False, **options), nn.BatchNorm2d(out), nn.ReLU()]

    layers, channels = unit(3, 32, 3, stride=2, padding=1), 32
    for out, stride in (
        (64, 1),
        (128, 2),
        (128, 1),
        (256, 2),
        (256, 1),
        (512, 2),
        *[(512, 1)] * 5,
        (1024, 2),
        (1024, 1),
    ):
        layers += unit(channels, channels, 3, stride=stride, padding=1, groups=channels) + unit(channels, out, 1)
        channels = out
    return [*layers, nn.AvgPool2d(7), nn.Flatten(), nn.Linear(1024, 1000)]


def resnet(nn: Any, blocks: tuple[int, ...], wide: int) -> Any:
    """ResNet for 224 x 224 in either library: basic blocks (``wide`` 1) or bottlenecks (``wide`` 4)."""
    def conv(a: int, b: int, k: int, stride: int = 1) -> Any:
        return nn.Sequential(nn.Conv2d(a, b, k, stride=stride, padding=k // 2, bias=False), nn.BatchNorm2d(b))

    class Block(nn.Module):
        def __init__(self, channels: int, width: int, stride: int) -> None:
            super().__init__()
            out = width * wide
            if wide == 1:
                parts = [conv(channels, width, 3, stride), nn.ReLU(), conv(width, out, 3)]
            else:
                parts = [
                    conv(channels, width, 1),
                    nn.ReLU(),
                    conv(width, width, 3, stride),
                    nn.ReLU(),
                    conv(width, out, 1),
                ]
            self.main = nn.Sequential(*parts)
            self.side = (
                conv(channels, out, 1, stride) if stride > 1 or channels != out else nn.Sequential(nn.Identity())
            )
            self.last = nn.ReLU()

        def forward(self, x: Any) -> Any:
            return self.last(self.main(x) + self.side(x))

    layers, channels = [conv(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)], 64
    for stage, count in enumerate(blocks):
        for i in range(count):
            layers.append(Block(channels, 64 << stage, 2 if stage and not i else 1))
            channels = (64 << stage) * wide
    return [*layers, nn.AvgPool2d(7), nn.Flatten(), nn.Linear(channels, 1000)]


def resnet18(nn: Any) -> list[Any]:
    return resnet(nn, (2, 2, 2, 2), 1)


def resnet50(nn: Any) -> list[Any]:
    return resnet(nn, (3, 4, 6, 3), 4)


WORKLOADS: dict[str, tuple[Any, tuple[int, ...], int, int]] = {  # layers, shape of a row, batch, classes
    "lenet": (lenet, (1, 28, 28), 128, 10),
    "lenet_caffe": (lenet_caffe, (1, 28, 28), 128, 10),
    "vgg16": (vgg16, (3, 32, 32), 64, 10),
    "mlp": (mlp, (784,), 128, 10),
    "resnet18": (resnet18, (3, 224, 224), 16, 1000),
    "resnet50": (resnet50, (3, 224, 224), 16, 1000),
    "mobilenet": (mobilenet, (3, 224, 224), 32, 1000),
}


def data(workload: str, steps: int) -> tuple[np.ndarray, np.ndarray]:
    _, shape, batch, classes = WORKLOADS[workload]
    rng = np.random.default_rng(0)
    return rng.standard_normal((steps * batch, *shape), dtype=np.float32), rng.integers(0, classes, steps * batch)


def our_model(workload: str) -> Any:
    from sparkdl import nn

    nn.manual_seed(0)
    return nn.Sequential(*WORKLOADS[workload][0](nn))


def their_model(workload: str) -> Any:
    import torch

    torch.manual_seed(0)
    return torch.nn.Sequential(*WORKLOADS[workload][0](torch.nn))


def our_fit(model: Any, workload: str, rows: Any, epochs: int, shuffle: bool = True) -> Any:
    from sparkdl import nn, optim

    return optim.Trainer(
        model, nn.CrossEntropyLoss(), optim.SGD(lr=LR, momentum=MOMENTUM), batch_size=WORKLOADS[workload][2],
        max_epochs=epochs, progress=False, shuffle=shuffle,
    ).fit(rows)  # fmt: skip


def torch_step(model: Any, form: str) -> Any:
    import torch

    if form == "channels_last":
        model = model.to(memory_format=torch.channels_last)
    run = torch.compile(model) if form == "compile" else model
    optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM)

    def step(x: Any, y: Any) -> float:
        optimizer.zero_grad(set_to_none=True)
        if form == "channels_last" and x.ndim == 4:
            x = x.contiguous(memory_format=torch.channels_last)
        loss = torch.nn.functional.cross_entropy(run(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def check(workload: str, steps: int = 3) -> None:
    """Both engines on the same batches from the same weights."""
    import torch

    x, y = data(workload, steps)
    batch = WORKLOADS[workload][2]
    ours, theirs = our_model(workload), their_model(workload)
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    step = torch_step(theirs, "channels_first")
    expected = [
        step(torch.from_numpy(x[a : a + batch]), torch.from_numpy(y[a : a + batch])) for a in range(0, len(x), batch)
    ]
    loss = our_fit(ours, workload, (x, y), 1, shuffle=False)[0]["loss"]
    theirs_after = theirs.state_dict()
    difference = max(
        float(np.abs(p - theirs_after[k].numpy()).max() / max(1e-3, np.abs(theirs_after[k].numpy()).max()))
        for k, p in ours.state_dict().items()
    )
    print(f"{workload}: mean loss of {steps} steps: sparkdl {loss:.6f}, PyTorch {np.mean(expected):.6f}; "
          f"largest relative difference of weights {difference:.1e}")  # fmt: skip
    if not abs(loss - np.mean(expected)) < 1e-3 * max(1.0, abs(loss)):
        raise SystemExit("the engines do not compute the same thing: nothing to compare")


def sparkdl(workload: str, threads: int, seconds: float, clock: str) -> Any:
    from sparkdl import kernel

    kernel.set_num_threads(threads)
    model = our_model(workload)
    batch = WORKLOADS[workload][2]
    steps = 4

    def run(steps: int, epochs: int) -> tuple[float, float]:
        """Seconds per step by the epochs' own clocks, and CPU seconds of the whole fit."""
        began = time.process_time()
        history = our_fit(model, workload, rows[steps], epochs)
        return statistics.median(history["seconds"][1:] or history["seconds"]) / steps, time.process_time() - began

    rows = {steps: data(workload, steps)}
    each, _ = run(steps, 3)
    steps = max(4, int(seconds / each / 2))
    rows[steps] = data(workload, steps)

    def block() -> dict:
        each, spent = run(steps, 4)
        if clock == "cpu":
            each = (spent - run(steps, 1)[1]) / (3 * steps)
        return {"seconds": each, "rows/s": batch / each}

    return block


def pytorch(workload: str, threads: int, seconds: float, clock: str, form: str) -> Any:
    import torch

    torch.set_num_threads(threads)
    step, batch = torch_step(their_model(workload), form), WORKLOADS[workload][2]
    x, y = map(torch.from_numpy, data(workload, 4))

    def run(steps: int) -> float:
        now = time.process_time if clock == "cpu" else time.perf_counter
        began = now()
        for i in range(steps):
            a = i % 4 * batch
            step(x[a : a + batch], y[a : a + batch])
        return (now() - began) / steps

    run(3)
    steps = max(2, int(seconds / run(3) / 2))

    def block() -> dict:
        each = statistics.median([run(steps), run(steps)])
        return {"seconds": each, "rows/s": batch / each}

    return block


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", default=list(WORKLOADS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--load", type=float, default=0.3, help="cores that other work may take in a round")
    parser.add_argument(
        "--clock", choices=["wall", "cpu"], default="wall", help="cpu: for one thread on a busy machine"
    )
    parser.add_argument("--forms", nargs="*", default=["channels_first", "channels_last", "compile"])
    given = parser.parse_args()
    for workload in given.workloads:
        check(workload)
        options = {"workload": workload, "threads": given.threads, "seconds": given.seconds, "clock": given.clock}
        engines = [Engine("sparkdl", sparkdl, **options)]
        for form in given.forms:
            try:
                engines.append(Engine(f"PyTorch {form}", pytorch, **options, form=form))
            except RuntimeError as error:
                print(f"PyTorch {form}: left out: {str(error).strip().splitlines()[-1]}")
        try:
            kept, thrown = rounds(engines, given.rounds, load=given.load)
        finally:
            for engine in engines:
                engine.close()
        if not kept:
            print(f"{workload}: no quiet round out of {thrown}")
            continue
        for engine in engines:
            times = [r[engine.name]["seconds"] * 1e3 for r in kept]
            paired = [r[engine.name]["seconds"] / r["sparkdl"]["seconds"] for r in kept]
            print(
                f"  {engine.name:24s} {min(times):9.2f} ms   ratio median {statistics.median(paired):.2f} min {min(paired):.2f}"
            )
        best = [min(v["seconds"] for n, v in r.items() if n != "sparkdl") / r["sparkdl"]["seconds"] for r in kept]
        ratio = f"median {statistics.median(best):.2f} min {min(best):.2f}"
        counts = f"{len(kept)} rounds, {thrown} thrown away"
        print(f"  best PyTorch / sparkdl, {given.threads} thread(s): {ratio}   ({counts})")


if __name__ == "__main__":
    main()
