"""Single layers of sparkdl and PyTorch in turn, in one process and thread, with the share of the machine's FMA peak.

    python benchmarks/kernels.py [--rounds 7] [--only gemm conv]

CPU time of this thread, so that other work on the machine counts little; the smallest of the rounds. Results are
compared before anything is timed. PyTorch's figure is the better of its two layouts.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

GEMMS = [
    (64, 64, 64), (128, 128, 128), (256, 256, 256), (512, 512, 512), (1024, 1024, 1024), (2048, 2048, 2048),
    (64, 784, 1024), (128, 784, 1024), (256, 784, 1024), (128, 1024, 1024), (128, 3072, 10), (12544, 25, 6),
    (4096, 500, 50), (32768, 27, 64), (32768, 576, 64), (8192, 1152, 128), (2048, 2304, 256), (512, 4608, 512),
    (128, 4608, 512), (8192, 512, 2048),
]  # fmt: skip
CONVS = [  # batch, in, size, out, kernel, stride, padding, groups
    (64, 1, 28, 6, 5, 1, 0, 1), (128, 1, 28, 20, 5, 1, 0, 1), (128, 20, 12, 50, 5, 1, 0, 1), (64, 3, 32, 64, 3, 1, 1, 1),
    (64, 64, 32, 64, 3, 1, 1, 1), (64, 64, 16, 128, 3, 1, 1, 1), (64, 128, 16, 128, 3, 1, 1, 1),
    (64, 256, 8, 256, 3, 1, 1, 1), (64, 512, 4, 512, 3, 1, 1, 1), (64, 512, 2, 512, 3, 1, 1, 1),
    (16, 64, 56, 64, 1, 1, 0, 1), (16, 256, 56, 64, 1, 1, 0, 1), (16, 64, 56, 256, 1, 1, 0, 1),
    (16, 256, 28, 512, 1, 2, 0, 1), (16, 128, 56, 128, 3, 2, 1, 1), (16, 3, 224, 64, 7, 2, 3, 1),
    (16, 128, 56, 128, 3, 1, 1, 128),
]  # fmt: skip


def least(functions: list[Callable[[], Any]], rounds: int) -> list[float]:
    """Seconds of a call of each, in turn."""
    best = [float("inf")] * len(functions)
    for function in functions:
        function()
    for _ in range(rounds):
        for i, function in enumerate(functions):
            began = time.thread_time()
            function()
            best[i] = min(best[i], time.thread_time() - began)
    return best


def peak() -> float:
    """Multiplications and additions per second of fused multiply-adds that never leave the registers."""
    import ctypes

    import llvmlite.binding as llvm
    import llvmlite.ir as ir

    from sparkdl.kernel import isa
    from sparkdl.nn.kernels.microkernel import I64, PTR, VOID, Loop, Width, load_object

    chains, w = 12, Width(isa(), "f32")  # more than the latency of one, fewer than there are registers

    def build() -> ir.Module:
        module = ir.Module("sparkdl_peak")
        module.triple = llvm.get_default_triple()
        function = ir.Function(module, ir.FunctionType(VOID, [PTR, I64]), "sparkdl_peak")
        b = ir.IRBuilder(function.append_basic_block("entry"))
        at, count = function.args
        x = w.load(b, at)
        sums = [b.alloca(w.vector) for _ in range(chains)]
        for i, each in enumerate(sums):
            b.store(w.load(b, w.pointer(b, at, I64(i))), each)
        with Loop(b, count):
            for each in sums:
                b.store(w.fma(b, b.load(each), x, x), each)
        total = b.load(sums[0])
        for each in sums[1:]:
            total = b.fadd(total, b.load(each))
        w.store(b, total, at)
        b.ret_void()
        return module

    address = load_object("peak", isa(), build, Path(__file__))["sparkdl_peak"]
    run, numbers, count = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(address), np.zeros(64, np.float32), 10**6
    (seconds,) = least([lambda: run(numbers.ctypes.data, count)], 15)
    return 2 * chains * w.lanes * count / seconds


def close(ours: Any, theirs: Any) -> None:
    error = np.abs(ours - theirs).max() / max(1e-3, np.abs(theirs).max())
    if not error < 1e-4:
        raise SystemExit(f"the results differ by {error:.1e} of the largest value: nothing to compare")


def line(name: str, flops: float, top: float, ours: float, theirs: float) -> None:
    print(
        f"  {name:46s} {ours * 1e3:8.2f} ms {flops / ours / 1e9:6.0f} GFLOP/s {flops / ours / top:5.2f} of the peak"
        f"   PyTorch {theirs * 1e3:8.2f} ms   ratio {theirs / ours:.2f}",
        flush=True,
    )


def gemms(rounds: int, top: float) -> None:
    import torch

    from sparkdl.nn.kernels import gemm

    rng = np.random.default_rng(0)
    for m, k, n in GEMMS:
        a, b = rng.standard_normal((m, k), dtype=np.float32), rng.standard_normal((k, n), dtype=np.float32)
        c, (x, y) = np.empty((m, n), np.float32), map(torch.from_numpy, (a, b))
        z = torch.empty(m, n)
        gemm.matmul(c, a, b)
        close(c, torch.mm(x, y).numpy())

        def ours(c: Any = c, a: Any = a, b: Any = b) -> None:
            gemm.matmul(c, a, b)

        def theirs(x: Any = x, y: Any = y, z: Any = z) -> None:
            torch.mm(x, y, out=z)

        line(f"matmul {m} x {k} x {n}", 2 * m * n * k, top, *least([ours, theirs], rounds))


def convs(rounds: int, top: float) -> None:
    for shape in CONVS:
        layer(rounds, top, *shape)


def layer(rounds: int, top: float, n: int, c: int, size: int, out: int, k: int, s: int, p: int, g: int) -> None:
    """Forward and both gradients of one convolution, the weights' over eight leaves."""
    import torch

    from sparkdl.nn.kernels import conv

    rng = np.random.default_rng(0)
    grid = (size + 2 * p - k) // s + 1
    x = rng.standard_normal((n, size, size, c), dtype=np.float32).transpose(0, 3, 1, 2)
    w = rng.standard_normal((k, k, c // g, out), dtype=np.float32) / np.float32(k * np.sqrt(c // g))
    dy = rng.standard_normal((n, grid, grid, out), dtype=np.float32).transpose(0, 3, 1, 2)
    y, dx, dw = np.empty_like(dy), np.empty_like(x), np.empty_like(w)
    options, bounds = ((s, s), (p, p), (1, 1), g), np.arange(9) * n // 8
    last, weights, slopes = (torch.from_numpy(v) for v in (x, np.ascontiguousarray(w.transpose(3, 2, 0, 1)), dy))
    first, first_slopes = last.contiguous(), slopes.contiguous()

    def forward(x: Any) -> Any:
        with torch.no_grad():
            return torch.conv2d(x, weights, None, s, p, 1, g)

    def backward(dy: Any, x: Any, what: list[bool]) -> Any:
        return torch.ops.aten.convolution_backward(
            dy, x, weights, None, [s, s], [p, p], [1, 1], False, [0, 0], g, what
        )  # fmt: skip

    inputs, filters = [True, False, False], [False, True, False]
    conv.forward(y, x, w, None, *options)
    conv.backward_data(dx, dy, w, *options)
    conv.backward_weights(dw, x, dy, bounds, *options)
    close(y, forward(first).numpy())
    close(dx, backward(first_slopes, first, inputs)[0].numpy())
    close(dw, backward(first_slopes, first, filters)[1].numpy().transpose(2, 3, 1, 0))
    calls: dict[str, list[Callable[[], Any]]] = {
        "forward": [
            lambda: conv.forward(y, x, w, None, *options), lambda: forward(last), lambda: forward(first)
        ],
        "gradient of x": [
            lambda: conv.backward_data(dx, dy, w, *options), lambda: backward(slopes, last, inputs),
            lambda: backward(first_slopes, first, inputs),
        ],
        "gradient of w": [
            lambda: conv.backward_weights(dw, x, dy, bounds, *options), lambda: backward(slopes, last, filters),
            lambda: backward(first_slopes, first, filters),
        ],
    }  # fmt: skip
    flops = 2 * n * grid * grid * k * k * (c // g) * out
    for name, functions in calls.items():
        ours, *theirs = least(functions, rounds)
        line(f"{n} x {c}->{out} @{size} {k}x{k} s{s} g{g}, {name}", flops, top, ours, min(theirs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", nargs="*", choices=["gemm", "conv"], default=["gemm", "conv"])
    given = parser.parse_args()
    import torch

    from sparkdl import kernel

    kernel.set_num_threads(1)
    torch.set_num_threads(1)
    top = peak()
    print(f"{kernel.isa()}: fused multiply-adds in registers reach {top / 1e9:.0f} GFLOP/s on one core")
    if "gemm" in given.only:
        gemms(given.rounds, top)
    if "conv" in given.only:
        convs(given.rounds, top)


if __name__ == "__main__":
    main()
