"""Inference as engines of ``benchmarks/harness.py``: sparkdl, PyTorch, onnxruntime and OpenVINO on the same model."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.nets import data, same_models
from benchmarks.training import repeat


def settled(workload: str) -> tuple[Any, Any]:
    """sparkdl's and PyTorch's model in eval mode, the statistics of their normalisations neither 0 nor 1."""
    ours, theirs = same_models(workload)
    rng = np.random.default_rng(1)
    state = ours.state_dict()
    for name, value in state.items():
        if name.endswith("running_mean"):
            state[name] = rng.normal(0, 0.1, value.shape).astype(np.float32)
        if name.endswith("running_var"):
            state[name] = rng.uniform(0.5, 1.5, value.shape).astype(np.float32)
    ours.load_state_dict(state)
    import torch

    theirs.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in state.items()}, strict=False)
    return ours.eval(), theirs.eval()


def _block(answer: Callable[[np.ndarray], np.ndarray], x: np.ndarray, seconds: float, clock: str) -> Callable[[], dict]:
    y = np.array(answer(x))
    block = repeat(lambda i: answer(x), seconds, clock, len(x), float(np.abs(y).max()))
    return lambda: {**block(), "answer": y}


def sparkdl(workload: str, threads: int, seconds: float, clock: str, batch: int) -> Callable[[], dict]:
    from sparkdl import kernel, nn

    kernel.set_num_threads(threads)
    return _block(nn.Inference(settled(workload)[0]), data(workload, 1, batch)[0], seconds, clock)


def pytorch(workload: str, threads: int, seconds: float, clock: str, batch: int, form: str) -> Callable[[], dict]:
    """``frozen``: scripted, with normalisations folded and oneDNN's packed weights."""
    import torch

    torch.set_num_threads(threads)
    model, x = settled(workload)[1], data(workload, 1, batch)[0]
    layout = torch.channels_last if form == "channels_last" else torch.contiguous_format
    model = model.to(memory_format=layout)
    if form == "compile":
        model = torch.compile(model)
    with torch.inference_mode(form != "frozen"):
        if form == "frozen":
            model = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(model, torch.from_numpy(x))))

        def answer(x: np.ndarray) -> np.ndarray:
            with torch.no_grad():
                return model(torch.from_numpy(x).contiguous(memory_format=layout)).numpy()

        return _block(answer, x, seconds, clock)


def onnxruntime(
    workload: str, threads: int, seconds: float, clock: str, batch: int, packages: str, path: str
) -> Callable[[], dict]:
    if packages:
        sys.path.insert(0, packages)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return _block(lambda x: session.run(None, {name: x})[0], data(workload, 1, batch)[0], seconds, clock)


def openvino(
    workload: str, threads: int, seconds: float, clock: str, batch: int, packages: str, path: str
) -> Callable[[], dict]:
    if packages:
        sys.path.insert(0, packages)
    import openvino

    core, x = openvino.Core(), data(workload, 1, batch)[0]
    model = core.read_model(path)
    model.reshape(list(x.shape))
    options = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(model, "CPU", options)
    return _block(lambda x: compiled(x)[0], x, seconds, clock)
