"""Products of two vectors with a weight each."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn import rng
from sparkdl.nn.kernels import gemm
from sparkdl.nn.module import Layer
from sparkdl.nn.parameter import Parameter


class Bilinear(Layer):
    """``y[o] = sum_ij a[i] * weight[o, i, j] * b[j] + bias[o]``.

    Shapes
    ------
    inputs  (batch, in1_features) and (batch, in2_features)
    output  (batch, out_features)
    weight  (out_features, in1_features, in2_features), bias (out_features,): from U(-b, b), b = 1/sqrt(in1_features)
    """

    def __init__(self, in1_features: int, in2_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__()
        if not (in1_features >= 1 and in2_features >= 1 and out_features >= 1):
            raise ShapeError(f"Bilinear: sizes must be >= 1, got {in1_features}, {in2_features}, {out_features}.")
        self.in1_features, self.in2_features, self.out_features = in1_features, in2_features, out_features
        self.weight = Parameter(np.zeros((out_features, in1_features, in2_features), np.float32), axes=(1, 2, 0))
        self.bias = Parameter(np.zeros(out_features, np.float32)) if bias else None
        self.reset_parameters()

    def config(self):
        return {**super().config(), "bias": self.bias is not None}

    def reset_parameters(self):
        bound = 1 / np.sqrt(self.in1_features)
        for parameter in self.parameters():
            parameter.value = rng.generator().uniform(-bound, bound, parameter.shape)

    def forward(self, a, b, ctx):
        if a.shape[1:] != (self.in1_features,) or b.shape[1:] != (self.in2_features,):
            wanted = f"(batch, {self.in1_features}) and (batch, {self.in2_features})"
            raise ShapeError(f"{self!r} takes {wanted}, got {a.shape} and {b.shape}.")
        products = (a[:, :, None] * b[:, None, :]).reshape(len(a), self.in1_features * self.in2_features)
        ctx.save(a, b, products)
        y = ctx.empty((len(a), self.out_features))
        bias = None if self.bias is None else self.bias.data
        gemm.affine(y, products, self.weight.data.reshape(-1, self.out_features), bias)
        return y

    def backward(self, dy, ctx):
        a, b, products = ctx.saved
        flat = (-1, self.out_features)
        ctx.grad(self.weight, lambda out, rows: gemm.matmul(out.reshape(flat), products[rows].T, dy[rows]))
        if self.bias is not None:
            ctx.grad(self.bias, lambda out, rows: dy[rows].sum(0, out=out))
        d = ctx.scratch(products.shape)
        gemm.matmul(d, dy, self.weight.data.reshape(flat).T)
        d = d.reshape(len(a), self.in1_features, self.in2_features)
        return (d * b[:, None, :]).sum(2), np.ascontiguousarray((d * a[:, :, None]).swapaxes(1, 2)).sum(2)
