from __future__ import annotations

from sparkdl import nn


def lstm_classifier(
    words: int, classes: int, size: int = 128, hidden: int = 128, layers: int = 1, bidirectional: bool = False,
    dropout: float = 0.2,
) -> nn.Sequential:  # fmt: skip
    """Sentences (batch, steps) of word numbers 0 .. ``words - 1``, read by an LSTM whose last output is classified."""
    return nn.Sequential(
        embedding=nn.Embedding(words, size),
        lstm=nn.LSTM(
            size, hidden, layers, dropout=dropout if layers > 1 else 0.0, bidirectional=bidirectional,
            return_sequences=False,
        ),
        dropout=nn.Dropout(dropout),
        fc=nn.Linear(hidden * (2 if bidirectional else 1), classes),
    )  # fmt: skip
