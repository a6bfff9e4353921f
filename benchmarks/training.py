"""Training steps (forward, backward, update) as engines of ``benchmarks/harness.py``: sparkdl and its peers.

Each engine first takes three steps on the same batches from the same weights and reports their mean loss with every
block, so that whoever times it can see that all compute the same thing.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.nets import WORKLOADS, data, our_model, same_models, their_model

LR, MOMENTUM, CHECKED = 0.01, 0.9, 3


def batches(workload: str, steps: int) -> list[tuple[np.ndarray, np.ndarray]]:
    x, y = data(workload, steps)
    n = WORKLOADS[workload][2]
    return [(x[a : a + n], y[a : a + n]) for a in range(0, len(x), n)]


def our_fit(model: Any, workload: str, rows: Any, epochs: int, shuffle: bool = True) -> Any:
    from sparkdl import nn, optim

    return optim.Trainer(
        model, nn.CrossEntropyLoss(), optim.SGD(lr=LR, momentum=MOMENTUM), batch_size=WORKLOADS[workload][2],
        max_epochs=epochs, progress=False, shuffle=shuffle,
    ).fit(rows)  # fmt: skip


def sparkdl(
    workload: str, threads: int, seconds: float, clock: str, compute: str = "float32"
) -> Callable[[], dict]:
    """The Trainer's own loop with its default number of virtual shards."""
    from sparkdl import kernel

    kernel.set_num_threads(threads)
    batch, steps = WORKLOADS[workload][2], 4
    checked = same_models(workload)[0].compute_in(compute)
    loss = our_fit(checked, workload, data(workload, CHECKED), 1, shuffle=False)[0]["loss"]
    model = our_model(workload).compute_in(compute)

    def run(steps: int, epochs: int) -> tuple[float, float]:
        """Seconds per step by the epochs' own clocks, and CPU seconds of the whole fit."""
        began = time.process_time()
        history = our_fit(model, workload, rows[steps], epochs)
        return statistics.median(history["seconds"][1:] or history["seconds"]) / steps, time.process_time() - began

    rows = {steps: data(workload, steps)}
    each, _ = run(steps, 2)
    steps = max(2, int(seconds / each / 2))
    epochs = 4 if each < 0.1 else 2
    rows[steps] = data(workload, steps)

    def block() -> dict:
        each, spent = run(steps, epochs)
        if clock == "cpu":
            each = (spent - run(steps, 1)[1]) / ((epochs - 1) * steps)
        return {"seconds": each, "rows/s": batch / each, "loss": loss}

    return block


def repeat(step: Callable[[int], Any], seconds: float, clock: str, batch: int, loss: float) -> Callable[[], dict]:
    """A block of ``step(i)`` for i = 0, 1, ..."""

    def run(steps: int) -> float:
        now = time.process_time if clock == "cpu" else time.perf_counter
        began = now()
        for i in range(steps):
            step(i)
        return (now() - began) / steps

    run(3)
    steps = max(2, int(seconds / run(3) / 2))

    def block() -> dict:
        each = statistics.median([run(steps), run(steps)])
        return {"seconds": each, "rows/s": batch / each, "loss": loss}

    return block


def torch_step(model: Any, form: str, compute: str = "float32") -> Callable[[Any, Any], float]:
    import torch

    if form == "channels_last":
        model = model.to(memory_format=torch.channels_last)
    run = torch.compile(model) if form == "compile" else model
    optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM)

    def step(x: Any, y: Any) -> float:
        optimizer.zero_grad(set_to_none=True)
        if form == "channels_last" and x.ndim == 4:
            x = x.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=compute == "bfloat16"):
            loss = torch.nn.functional.cross_entropy(run(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def pytorch(
    workload: str, threads: int, seconds: float, clock: str, form: str, compute: str = "float32"
) -> Callable[[], dict]:
    import torch

    torch.set_num_threads(threads)
    rows = [tuple(map(torch.from_numpy, each)) for each in batches(workload, 4)]
    checked = torch_step(their_model(workload), form, compute)
    loss = float(np.mean([checked(x.clone(), y) for x, y in _tensors(workload)]))
    step = torch_step(their_model(workload), form, compute)
    return repeat(lambda i: step(*rows[i % 4]), seconds, clock, WORKLOADS[workload][2], loss)


def _tensors(workload: str) -> list[Any]:
    import torch

    return [tuple(map(torch.from_numpy, each)) for each in batches(workload, CHECKED)]


def tensorflow(
    workload: str, threads: int, seconds: float, clock: str, packages: str, weights: dict[str, np.ndarray], xla: bool
) -> Callable[[], dict]:
    """LeNet in TensorFlow, one ``tf.function`` per step; ``weights`` are those of PyTorch's model."""
    if packages:
        sys.path.insert(0, packages)
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    w = list(weights.values())  # convolution, convolution, linear, linear: weight and bias of each
    c2 = len(w[2])
    turned = w[4].reshape(len(w[4]), c2, 4, 4).transpose(0, 2, 3, 1).reshape(len(w[4]), -1)  # maps are NHWC here

    def variables() -> list[Any]:
        arrays = [
            w[0].transpose(2, 3, 1, 0), w[1], w[2].transpose(2, 3, 1, 0), w[3], turned.T, w[5], w[6].T, w[7]
        ]  # fmt: skip
        return [tf.Variable(np.ascontiguousarray(each)) for each in arrays]

    def make() -> Any:
        v = variables()
        velocity = [tf.Variable(tf.zeros_like(each)) for each in v]

        @tf.function(jit_compile=xla)
        def step(x: Any, y: Any) -> Any:
            with tf.GradientTape() as tape:
                h = x
                for i in (0, 2):
                    h = tf.nn.bias_add(tf.nn.conv2d(h, v[i], 1, "VALID"), v[i + 1])
                    h = tf.nn.max_pool2d(tf.tanh(h), 2, 2, "VALID")
                h = tf.tanh(tf.matmul(tf.reshape(h, (len(x), -1)), v[4]) + v[5])
                scores = tf.matmul(h, v[6]) + v[7]
                loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, scores))
            for p, m, g in zip(v, velocity, tape.gradient(loss, v), strict=True):
                m.assign(MOMENTUM * m + g)
                p.assign_sub(LR * m)
            return loss

        return lambda x, y: float(step(x, y))

    def tensors(steps: int) -> list[Any]:
        each = [(x.transpose(0, 2, 3, 1), y) for x, y in batches(workload, steps)]
        return [(tf.constant(np.ascontiguousarray(x)), tf.constant(y)) for x, y in each]

    checked = make()
    loss = float(np.mean([checked(x, y) for x, y in tensors(CHECKED)]))
    rows, step = tensors(4), make()
    return repeat(lambda i: step(*rows[i % 4]), seconds, clock, WORKLOADS[workload][2], loss)


def check(workload: str) -> float:
    """Fails unless sparkdl's losses and first gradients are PyTorch's; returns how far apart losses may be, relatively.

    That is a thousandth; or, where that is too little, as much as PyTorch's own losses are apart (see `spread`). Gradients of
    deep nets of ReLUs with BatchNorm differ by some hundredths between PyTorch's own two layouts (a value near zero
    falls on either side), see benchmarks/gradients.py.
    """
    ours, theirs = same_models(workload)
    before = {k: v.copy() for k, v in ours.state_dict().items()}
    step = torch_step(theirs, "channels_first")
    first, *others = _tensors(workload)
    losses = [step(*first)]
    wanted = {k: v.numpy().copy() for k, v in theirs.state_dict().items()}
    losses += [step(x, y) for x, y in others]
    expected = float(np.mean(losses))
    our_fit(ours, workload, batches(workload, CHECKED)[0], 1, shuffle=False)
    after = ours.state_dict()
    names = [k for k, _ in ours.named_parameters()]
    apart = np.sqrt(sum(float(np.square(after[k] - wanted[k], dtype=np.float64).sum()) for k in names))
    moved = np.sqrt(sum(float(np.square(wanted[k] - before[k], dtype=np.float64).sum()) for k in names))
    ours = same_models(workload)[0]
    loss = our_fit(ours, workload, data(workload, CHECKED), 1, shuffle=False)[0]["loss"]
    print(f"{workload}: mean loss of {CHECKED} steps: sparkdl {loss:.6f}, PyTorch {expected:.6f}; "
          f"gradients of the first differ by {apart / moved:.1e}")  # fmt: skip
    off, allowed, scale = abs(loss - expected), 1e-3, max(1.0, abs(loss))
    if off >= allowed * scale:
        least, most = spread(workload)
        print(f"{workload}: PyTorch's own losses, inputs changed by a rounding: {least:.6f} to {most:.6f}", flush=True)
        allowed = (most - least) / scale
    if not (off < allowed * scale and apart < 0.05 * moved):
        raise SystemExit("the engines do not compute the same thing: nothing to compare")
    return allowed


def spread(workload: str) -> tuple[float, float]:
    """The least and the greatest mean loss of PyTorch in both layouts and from inputs that differ by a rounding."""
    import torch

    rng, losses = np.random.default_rng(0), []
    for form, change in (("channels_first", 0.0), ("channels_last", 0.0), *[("channels_first", 1e-7)] * 4):
        step = torch_step(their_model(workload), form)
        given = batches(workload, CHECKED)
        rows = [(x * (1 + change * rng.standard_normal(x.shape)).astype(np.float32), y) for x, y in given]
        losses.append(float(np.mean([step(torch.from_numpy(x), torch.from_numpy(y)) for x, y in rows])))
    return min(losses), max(losses)
