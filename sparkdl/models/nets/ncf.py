from __future__ import annotations

from collections.abc import Sequence

from sparkdl import nn
from sparkdl.models.blocks import graph


def ncf(users: int, items: int, factors: int = 8, layers: Sequence[int] = (64, 32, 16, 8)) -> nn.Graph:
    """Neural collaborative filtering: how likely ``user`` likes ``item``, as a logit.

    Two inputs of numbers from 0, (batch,) each; or (batch, candidates) each, for rankings (`optim.HitRatio`). The
    output has their shape. A product of factors stands beside a net whose first layer is ``layers[0]`` wide.

    Source: He et al. (2017), section 3.4 (NeuMF).
    """
    if len(layers) < 2 or layers[0] % 2:
        raise ValueError(f"ncf: layers are two or more sizes, the first one even, got {layers!r}.")
    user, item = nn.Input(name="user"), nn.Input(name="item")
    half = layers[0] // 2
    tables = {
        "user_factors": nn.Embedding(users, factors), "item_factors": nn.Embedding(items, factors),
        "user_vector": nn.Embedding(users, half), "item_vector": nn.Embedding(items, half),
    }  # fmt: skip
    for table in tables.values():
        table.weight.value = nn.init.normal(table.weight.shape, std=0.01)
    product = tables["user_factors"](user) * tables["item_factors"](item)
    deep = nn.Sequential()
    for a, b in zip(layers, layers[1:], strict=False):
        deep.append(nn.Linear(a, b)).append(nn.ReLU())
    joined = nn.Concat(-1)(tables["user_vector"](user), tables["item_vector"](item))
    last = nn.Linear(factors + layers[-1], 1)
    logit = nn.ReduceSum((-1,))(last(nn.Concat(-1)(product, deep(joined))))  # one value: only its axis goes
    return graph([user, item], logit, **tables, deep=deep, last=last)
