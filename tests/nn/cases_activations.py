"""Rows for activations. The references are the formulas, written without regard to overflow."""

import math

import numpy as np

from sparkdl import nn
from tests.nn.case import Case

ERF = np.vectorize(math.erf, otypes=[float])
SHAPE = (4, 3, 5)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def elu(x, alpha):
    return np.where(x > 0, x, alpha * (np.exp(x) - 1))


def softmax(x, axis=1):
    e = np.exp(x)
    return e / e.sum(axis, keepdims=True)


def act(make, reference, torch=None, **kwargs):
    return Case(make, SHAPE, lambda layer, x: reference(x), torch=torch, **kwargs)


CASES = {
    "ReLU": act(nn.ReLU, lambda x: np.maximum(x, 0), lambda t: t.nn.ReLU()),
    "ReLU, pictures": Case(nn.ReLU, (2, 3, 4, 5), lambda layer, x: np.maximum(x, 0), torch=lambda t: t.nn.ReLU()),
    "ReLU6": act(
        nn.ReLU6, lambda x: np.clip(x, 0, 6), lambda t: t.nn.ReLU6(), inputs=lambda rng, s: rng.normal(3, 4, s)
    ),
    "LeakyReLU": act(lambda: nn.LeakyReLU(0.2), lambda x: np.where(x > 0, x, 0.2 * x), lambda t: t.nn.LeakyReLU(0.2)),
    "Hardtanh": act(
        lambda: nn.Hardtanh(-0.5, 0.7),
        lambda x: np.clip(x, -0.5, 0.7),
        lambda t: t.nn.Hardtanh(-0.5, 0.7),
        refused=[(lambda: nn.Hardtanh(1, 0), "min_val must be < max_val")],
    ),
    "Clamp": act(lambda: nn.Clamp(-0.5, 0.7), lambda x: np.clip(x, -0.5, 0.7), lambda t: lambda x: x.clamp(-0.5, 0.7)),
    "Threshold": act(
        lambda: nn.Threshold(0.1, -2.0), lambda x: np.where(x > 0.1, x, -2), lambda t: t.nn.Threshold(0.1, -2.0)
    ),
    "BinaryThreshold": act(lambda: nn.BinaryThreshold(0.1), lambda x: (x > 0.1) * 1.0),
    "Hardsigmoid": act(
        nn.Hardsigmoid,
        lambda x: np.clip(x / 6 + 0.5, 0, 1),
        lambda t: t.nn.Hardsigmoid(),
        inputs=lambda rng, s: rng.normal(0, 4, s),
    ),
    "Hardsigmoid, as Keras has it": act(lambda: nn.Hardsigmoid(0.2), lambda x: np.clip(0.2 * x + 0.5, 0, 1)),
    "Hardswish": act(
        nn.Hardswish,
        lambda x: x * np.clip(x + 3, 0, 6) / 6,
        lambda t: t.nn.Hardswish(),
        inputs=lambda rng, s: rng.normal(0, 4, s),
    ),
    "Hardshrink": act(
        nn.Hardshrink,
        lambda x: np.where(abs(x) > 0.5, x, 0),
        lambda t: t.nn.Hardshrink(),
        refused=[(lambda: nn.Hardshrink(-1), "lambd")],
    ),
    "Softshrink": act(
        lambda: nn.Softshrink(0.3), lambda x: np.sign(x) * np.maximum(abs(x) - 0.3, 0), lambda t: t.nn.Softshrink(0.3)
    ),
    "Sigmoid": act(nn.Sigmoid, sigmoid, lambda t: t.nn.Sigmoid()),
    "LogSigmoid": act(nn.LogSigmoid, lambda x: np.log(sigmoid(x)), lambda t: t.nn.LogSigmoid()),
    "SiLU": act(nn.SiLU, lambda x: x * sigmoid(x), lambda t: t.nn.SiLU()),
    "Softplus": act(
        lambda: nn.Softplus(2.0, 1.5),
        lambda x: np.where(2 * x > 1.5, x, np.log(1 + np.exp(2 * x)) / 2),
        lambda t: t.nn.Softplus(2.0, 1.5),
        refused=[(lambda: nn.Softplus(0), "beta must be > 0")],
    ),
    "Mish": act(nn.Mish, lambda x: x * np.tanh(np.log(1 + np.exp(x))), lambda t: t.nn.Mish()),
    "GELU": act(
        nn.GELU,
        lambda x: x * 0.5 * (1 + ERF(x / math.sqrt(2))),
        lambda t: t.nn.GELU(),
        refused=[(lambda: nn.GELU("erf"), "'none' or 'tanh'")],
    ),
    "GELU, by tanh": act(
        lambda: nn.GELU("tanh"),
        lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
        lambda t: t.nn.GELU("tanh"),
    ),
    "Tanh": act(nn.Tanh, np.tanh, lambda t: t.nn.Tanh()),
    "Tanhshrink": act(nn.Tanhshrink, lambda x: x - np.tanh(x), lambda t: t.nn.Tanhshrink()),
    "Softsign": act(nn.Softsign, lambda x: x / (1 + abs(x)), lambda t: t.nn.Softsign()),
    "ELU": act(lambda: nn.ELU(0.7), lambda x: elu(x, 0.7), lambda t: t.nn.ELU(0.7)),
    "CELU": act(
        lambda: nn.CELU(0.7),
        lambda x: np.where(x > 0, x, 0.7 * (np.exp(x / 0.7) - 1)),
        lambda t: t.nn.CELU(0.7),
        refused=[(lambda: nn.CELU(0), "alpha must be > 0")],
    ),
    "SELU": act(nn.SELU, lambda x: 1.0507009873554805 * elu(x, 1.6732632423543772), lambda t: t.nn.SELU()),
    "Softmax": act(
        nn.Softmax,
        softmax,
        lambda t: t.nn.Softmax(1),
        bad=[((3,), "no axis 1")],
        refused=[(lambda: nn.Softmax(0), "axis 0 is the batch")],
    ),
    "Softmax, last axis": act(lambda: nn.Softmax(-1), lambda x: softmax(x, -1), lambda t: t.nn.Softmax(-1)),
    "Softmin": act(nn.Softmin, lambda x: softmax(-x), lambda t: t.nn.Softmin(1)),
    "LogSoftmax": act(nn.LogSoftmax, lambda x: np.log(softmax(x)), lambda t: t.nn.LogSoftmax(1)),
    "LogSoftmax, pictures": Case(
        nn.LogSoftmax, (2, 3, 4, 5), lambda layer, x: np.log(softmax(x)), torch=lambda t: t.nn.LogSoftmax(1)
    ),
}
