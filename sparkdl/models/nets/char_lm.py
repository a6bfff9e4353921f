from __future__ import annotations

from sparkdl import nn


def char_lm(characters: int, size: int = 64, hidden: int = 256, layers: int = 2, dropout: float = 0.0) -> nn.Sequential:
    """The next character at each step of (batch, steps) character numbers: scores (batch, characters, steps).

    Train it with ``nn.CrossEntropyLoss`` on the same text one step later, (batch, steps).

    Source: Karpathy, Johnson, Li (2016), section 3.
    """
    return nn.Sequential(
        embedding=nn.Embedding(characters, size),
        lstm=nn.LSTM(size, hidden, layers, dropout=dropout),
        fc=nn.Linear(hidden, characters),
        classes_second=nn.Permute((2, 1)),
    )
