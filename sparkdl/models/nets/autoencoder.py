from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sparkdl import nn


def autoencoder(sizes: Sequence[int] = (784, 32)) -> nn.Sequential:
    """``sizes[0]`` values in 0 .. 1 through ever smaller ``sizes``, then back.

    The halves are ``model["encoder"]`` and ``model["decoder"]``.

    Hidden units are rectifiers, outputs sigmoids. Train it to give its input: ``trainer.fit((x, x))``.
    """
    if len(sizes) < 2:
        raise ValueError(f"autoencoder: sizes are those of the input and of the codes, got {sizes!r}.")
    encoder, decoder = nn.Sequential(), nn.Sequential()
    for a, b in zip(sizes, sizes[1:], strict=False):
        encoder.append(nn.Linear(a, b)).append(nn.ReLU())
    back = list(sizes)[::-1]
    for i, (a, b) in enumerate(zip(back, back[1:], strict=False)):
        decoder.append(nn.Linear(a, b)).append(nn.ReLU() if i < len(back) - 2 else nn.Sigmoid())
    return nn.Sequential(encoder=encoder, decoder=decoder)


def pretrain(
    model: nn.Sequential,
    x: np.ndarray,
    optimizer: Callable[[], Any],
    *,
    noise: float = 0.0,
    **options: Any,
) -> list[Any]:
    """Trains an `autoencoder` layer by layer, without labels, from the outside in; ``x`` is (batch, features).

    Layer i learns, with its counterpart in the decoder, to give back what the layers before it make of ``x``, while
    a share ``noise`` of its inputs is dropped. ``optimizer()`` makes an update rule for each; ``options`` go to
    `Trainer`. Returns one history per layer; the weights are in ``model``.

    Source: Bengio et al. (2007); with noise: Vincent et al. (2008).
    """
    from sparkdl import optim

    encoder, decoder = list(model["encoder"]), list(model["decoder"])
    histories, codes = [], np.asarray(x)
    for i in range(0, len(encoder), 2):
        j = len(decoder) - i - 2
        up, down = nn.Sequential(*encoder[i : i + 2]), nn.Sequential(*decoder[j : j + 2])
        corrupt = [nn.Dropout(noise)] if noise else []
        trainer = optim.Trainer(nn.Sequential(*corrupt, up, down), nn.MSELoss(), optimizer(), **options)
        histories.append(trainer.fit((codes, codes)))
        codes = up.predict(codes)
    return histories
