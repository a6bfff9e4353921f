from __future__ import annotations

from sparkdl import nn


def transformer_lm(
    words: int,
    size: int = 128,
    heads: int = 4,
    layers: int = 2,
    hidden: int = 512,
    max_steps: int = 256,
    dropout: float = 0.1,
) -> nn.Sequential:
    """The next word at each step of (batch, steps) word numbers, by causal attention: scores (batch, words, steps).

    Train it with ``nn.CrossEntropyLoss`` on the same text one step later, (batch, steps); steps at most ``max_steps``.

    Source: Radford et al. (2019), section 2.3: norms stand before attention and feed-forward nets, and at the end.
    """
    return nn.Sequential(
        embedding=nn.Embedding(words, size),
        positions=nn.LearnedEncoding(max_steps, size),
        **_blocks(size, heads, layers, hidden, dropout, causal=True),
        norm=nn.LayerNorm(size),
        fc=nn.Linear(size, words),
        classes_second=nn.Permute((2, 1)),
    )


def transformer_classifier(
    words: int, classes: int, size: int = 128, heads: int = 4, layers: int = 2, hidden: int = 512, dropout: float = 0.1
) -> nn.Sequential:
    """Sentences (batch, steps) of word numbers 0 .. ``words - 1``: self-attention, the mean over steps, scores.

    Source: Vaswani et al. (2017), the encoder of section 3.1.
    """
    return nn.Sequential(
        embedding=nn.Embedding(words, size),
        positions=nn.SinusoidalEncoding(),
        **_blocks(size, heads, layers, hidden, dropout, causal=False),
        norm=nn.LayerNorm(size),
        mean=nn.ReduceMean((1,)),
        fc=nn.Linear(size, classes),
    )


def _blocks(size: int, heads: int, layers: int, hidden: int, dropout: float, causal: bool) -> dict[str, nn.Module]:
    def block() -> nn.Module:
        return nn.TransformerEncoderLayer(size, heads, hidden, dropout, "gelu", norm_first=True, causal=causal)

    return {f"block{i + 1}": block() for i in range(layers)}
