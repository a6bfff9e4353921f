from __future__ import annotations

from collections.abc import Mapping, Sequence

from sparkdl import nn
from sparkdl.models.blocks import graph


def wide_deep(
    wide: int,
    categories: Mapping[str, int],
    continuous: int = 0,
    classes: int = 2,
    size: int = 8,
    hidden: Sequence[int] = (100, 50),
) -> nn.Graph:
    """A linear model of many crossed features and a deep net over embeddings, trained together.

    Inputs, in this order: ``wide`` (batch, wide), mostly zeros; one (batch,) of numbers from 0 for each of
    ``categories``, ``{column: how many values}``; ``continuous`` (batch, continuous), if there are any.

    Source: Cheng et al. (2016), section 3.
    """
    if not categories and not continuous:
        raise ValueError("wide_deep: the deep part needs categories or continuous columns; else take nn.Linear.")
    linear = nn.Linear(wide, classes, bias=False)
    crossed = nn.Input(name="wide")
    inputs, vectors, named = [crossed], [], {"wide": linear}
    for column, many in categories.items():
        table = named[f"embedding_{column}"] = nn.Embedding(many, size)
        inputs.append(nn.Input(name=column))
        vectors.append(table(inputs[-1]))
    if continuous:
        inputs.append(nn.Input(name="continuous"))
        vectors.append(inputs[-1])
    sizes = [size * len(categories) + continuous, *hidden]
    deep = named["deep"] = nn.Sequential()
    for a, b in zip(sizes, sizes[1:], strict=False):
        deep.append(nn.Linear(a, b)).append(nn.ReLU())
    deep.append(nn.Linear(sizes[-1], classes))
    joined = nn.Concat()(*vectors) if len(vectors) > 1 else vectors[0]
    return graph(inputs, linear(crossed) + deep(joined), **named)
