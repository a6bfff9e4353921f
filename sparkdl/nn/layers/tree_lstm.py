"""LSTM along binary trees."""

from __future__ import annotations

import numpy as np

from sparkdl.errors import DataError, ShapeError
from sparkdl.nn import rng
from sparkdl.nn.kernels import gemm
from sparkdl.nn.layers.embedding import whole_numbers
from sparkdl.nn.module import Layer
from sparkdl.nn.parameter import Parameter


class BinaryTreeLSTM(Layer):
    """A state for each node of a binary tree, from the leaves up.

    A leaf with input x has ``c = x W_c + b_c`` and ``h = sigmoid(x W_o + b_o) * tanh(c)``. A node with children l, r
    has ``i, f_l, f_r, o = sigmoid(...)`` and ``g = tanh(...)`` of ``h_l W_l + h_r W_r + b``; ``c = i * g + f_l * c_l +
    f_r * c_r`` and ``h = o * tanh(c)``.

    Shapes
    ------
    inputs   x (batch, words, input_size); tree (batch, nodes, 3) whole numbers: left child, right child, word. A leaf
             has children -1 and a word; a node that has children needs no word; all three -1 is no node. Any order
    output   (batch, nodes, hidden_size), zeros where there is no node
    weights  weight_leaf (2 * hidden_size, input_size) and bias_leaf for c, o; weight_left and weight_right
             (5 * hidden_size, hidden_size) and bias for i, f_l, f_r, g, o

    Source: Tai et al. (2015), section 3.2.
    """

    integers = True

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        if not (input_size >= 1 and hidden_size >= 1):
            raise ShapeError(f"BinaryTreeLSTM: sizes must be >= 1, got {input_size!r} and {hidden_size!r}.")
        self.input_size, self.hidden_size = input_size, hidden_size
        self.weight_leaf = Parameter(np.zeros((2 * hidden_size, input_size), np.float32), axes=(1, 0))
        self.bias_leaf = Parameter(np.zeros(2 * hidden_size, np.float32))
        self.weight_left = Parameter(np.zeros((5 * hidden_size, hidden_size), np.float32), axes=(1, 0))
        self.weight_right = Parameter(np.zeros((5 * hidden_size, hidden_size), np.float32), axes=(1, 0))
        self.bias = Parameter(np.zeros(5 * hidden_size, np.float32))
        self.reset_parameters()

    def reset_parameters(self):
        bound = 1 / np.sqrt(self.hidden_size)
        for parameter in self.parameters():
            parameter.value = rng.generator().uniform(-bound, bound, parameter.shape)

    def forward(self, x, tree, ctx):
        if x.ndim != 3 or x.shape[2] != self.input_size or tree.ndim != 3 or tree.shape[2:] != (3,):
            raise ShapeError(
                f"{self!r} takes (batch, words, {self.input_size}) and a tree (batch, nodes, 3), "
                f"got {x.shape} and {tree.shape}."
            )
        x, tree = np.ascontiguousarray(x, ctx.dtype), whole_numbers(self, tree)
        levels = self._levels(x, tree)
        n = self.hidden_size
        h, c, gates, leaf = (np.zeros((*tree.shape[:2], width), x.dtype) for width in (n, n, 5 * n, 2 * n))
        for nodes in levels:
            if nodes is levels[0]:
                self._leaves(nodes, x, tree, leaf, h, c)
            else:
                self._compose(nodes, tree, gates, h, c)
        ctx.save(x, tree, levels, leaf, gates, h, c)
        return h.copy()

    def _levels(self, x, tree):
        """The nodes ``(samples, numbers)`` by height above the leaves, leaves first."""
        left, right, word = tree[..., 0], tree[..., 1], tree[..., 2]
        inner = left >= 0
        count = tree.shape[1]
        bad = (inner != (right >= 0)) | (left >= count) | (right >= count) | (~inner & (word >= x.shape[1]))
        if bad.any():
            sample, node = (int(i) for i in np.argwhere(bad)[0])
            raise DataError(f"{self!r}: node {node} of sample {sample} is {tree[sample, node].tolist()}, see the docs.")
        ready = ~inner & (word >= 0)
        levels = [np.nonzero(ready)]
        rows = np.arange(len(tree))[:, None]
        done = ready
        while (inner & ~done).any():
            now = inner & ~done & done[rows, np.maximum(left, 0)] & done[rows, np.maximum(right, 0)]
            if not now.any():
                sample, node = (int(i) for i in np.argwhere(inner & ~done)[0])
                raise DataError(f"{self!r}: node {node} of sample {sample} has a child that is no node, or is its own.")
            levels.append(np.nonzero(now))
            done = done | now
        return levels

    def _leaves(self, nodes, x, tree, leaf, h, c):
        n = self.hidden_size
        made = np.empty((len(nodes[0]), 2 * n), x.dtype)
        gemm.affine(made, x[nodes[0], tree[(*nodes, 2)]], self.weight_leaf.data, self.bias_leaf.data)
        made[:, n:] = _sigmoid(made[:, n:])
        c[nodes], leaf[nodes] = made[:, :n], made
        h[nodes] = made[:, n:] * np.tanh(made[:, :n])

    def _compose(self, nodes, tree, gates, h, c):
        n, left, right = self.hidden_size, (nodes[0], tree[(*nodes, 0)]), (nodes[0], tree[(*nodes, 1)])
        made, other = np.empty((len(nodes[0]), 5 * n), h.dtype), np.empty((len(nodes[0]), 5 * n), h.dtype)
        gemm.affine(made, h[left], self.weight_left.data, self.bias.data)
        gemm.matmul(other, h[right], self.weight_right.data)
        made += other
        new = np.tanh(made[:, 3 * n : 4 * n])
        made = _sigmoid(made)
        made[:, 3 * n : 4 * n] = new
        i, f, k, g, o = np.split(made, 5, axis=1)
        gates[nodes] = made
        c[nodes] = i * g + f * c[left] + k * c[right]
        h[nodes] = o * np.tanh(c[nodes])

    def backward(self, dy, ctx):
        x, tree, levels, leaf, gates, h, c = ctx.saved
        n = self.hidden_size
        dh, dc = np.array(dy, order="C"), np.zeros_like(c)
        dgates, dleaf = np.zeros_like(gates), np.zeros_like(leaf)
        lefts, rights, words = np.zeros_like(h), np.zeros_like(h), np.zeros((*h.shape[:2], x.shape[2]), x.dtype)
        for nodes in reversed(levels[1:]):
            left, right = (nodes[0], tree[(*nodes, 0)]), (nodes[0], tree[(*nodes, 1)])
            lefts[nodes], rights[nodes] = h[left], h[right]
            i, f, k, g, o = np.split(gates[nodes], 5, axis=1)
            squashed, up = np.tanh(c[nodes]), dh[nodes]
            dcell = dc[nodes] + up * o * (1 - squashed * squashed)
            d = np.concatenate(
                [
                    dcell * g * i * (1 - i), dcell * c[left] * f * (1 - f), dcell * c[right] * k * (1 - k),
                    dcell * i * (1 - g * g), up * squashed * o * (1 - o),
                ],
                axis=1,
            )  # fmt: skip
            dgates[nodes] = d
            for child, weight, forget in ((left, self.weight_left, f), (right, self.weight_right, k)):
                down = np.empty((len(d), n), d.dtype)
                gemm.matmul(down, d, weight.data.T)
                np.add.at(dh, child, down)
                np.add.at(dc, child, dcell * forget)
        nodes = levels[0]
        made, up = leaf[nodes], dh[nodes]
        cell, o = made[:, :n], made[:, n:]
        squashed = np.tanh(cell)
        d = np.concatenate([dc[nodes] + up * o * (1 - squashed * squashed), up * squashed * o * (1 - o)], axis=1)
        dleaf[nodes] = d
        place = (nodes[0], tree[(*nodes, 2)])
        words[nodes] = x[place]
        down = np.empty((len(d), x.shape[2]), d.dtype)
        gemm.matmul(down, d, self.weight_leaf.data.T)
        dx = np.zeros_like(x)
        np.add.at(dx, place, down)
        for weight, inputs, slopes in (
            (self.weight_leaf, words, dleaf), (self.weight_left, lefts, dgates), (self.weight_right, rights, dgates),
        ):  # fmt: skip
            ctx.grad(weight, lambda out, rows, a=inputs, d=slopes: gemm.matmul(out, _rows(a[rows]).T, _rows(d[rows])))
        for bias, slopes in ((self.bias_leaf, dleaf), (self.bias, dgates)):
            ctx.grad(bias, lambda out, rows, d=slopes: _rows(d[rows]).sum(0, out=out))
        return dx, None


def _sigmoid(x):
    half = x.dtype.type(0.5)
    return np.tanh(x * half) * half + half


def _rows(x):
    return x.reshape(x.shape[0] * x.shape[1], x.shape[2])
