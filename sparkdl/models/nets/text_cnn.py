from __future__ import annotations

from collections.abc import Sequence

from sparkdl import nn


def text_cnn(
    words: int,
    classes: int,
    size: int = 128,
    widths: Sequence[int] = (3, 4, 5),
    channels: int = 100,
    dropout: float = 0.5,
) -> nn.Sequential:
    """Sentences (batch, steps) of word numbers 0 .. ``words - 1``: convolutions of several ``widths``, each one's best.

    ``size`` is that of a word's vector; sentences are at least as long as the widest convolution.

    Source: Kim (2014), section 2.
    """
    views = {f"width{w}": nn.Sequential(nn.Conv1d(size, channels, w), nn.ReLU(), nn.GlobalMaxPool()) for w in widths}
    return nn.Sequential(
        embedding=nn.Embedding(words, size),
        channels_first=nn.Permute((2, 1)),
        views=nn.ConcatBranches(**views),
        dropout=nn.Dropout(dropout),
        fc=nn.Linear(channels * len(widths), classes),
    )
