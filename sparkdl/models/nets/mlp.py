"""Fully connected nets, and those of the field's comparisons."""

from __future__ import annotations

from collections.abc import Sequence

from sparkdl import nn

ACTIVATIONS = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}


def mlp(sizes: Sequence[int], activation: str = "relu", dropout: float = 0.0) -> nn.Sequential:
    """Linear layers from ``sizes[0]`` features over the hidden sizes to ``sizes[-1]`` outputs."""
    if activation not in ACTIVATIONS:
        raise ValueError(f"mlp: activation must be one of {', '.join(ACTIVATIONS)}, got {activation!r}.")
    if len(sizes) < 2:
        raise ValueError(f"mlp: sizes are those of input, hidden layers and output, got {sizes!r}.")
    model = nn.Sequential(flatten=nn.Flatten())
    for i, (a, b) in enumerate(zip(sizes, sizes[1:], strict=False), 1):
        if i > 1:
            model.append(ACTIVATIONS[activation](), f"{activation}{i - 1}")
            if dropout:
                model.append(nn.Dropout(dropout), f"dropout{i - 1}")
        model.append(nn.Linear(a, b), f"fc{i}")
    return model


def softmax_regression(features: int = 784, classes: int = 10) -> nn.Sequential:
    """Multinomial logistic regression."""
    return mlp((features, classes))


def mnist_mlp() -> nn.Sequential:
    """784-1024-1024-10, 1.86 million parameters."""
    return mlp((784, 1024, 1024, 10))


def higgs_mlp() -> nn.Sequential:
    """28-2048-2048-2048-1, 8.45 million parameters; one logit, for ``nn.BCEWithLogitsLoss``."""
    return mlp((28, 2048, 2048, 2048, 1))


def molecular_mlp() -> nn.Sequential:
    """2871-2048-2048-2048-1, 14.28 million parameters, for molecular activity (a regression)."""
    return mlp((2871, 2048, 2048, 2048, 1))


def speech_mlp() -> nn.Sequential:
    """11 frames of 40 values, four hidden layers of 2560 sigmoids, 8192 states: 41.8 million parameters.

    Source: Dean et al. (2012), section 5.
    """
    return mlp((440, 2560, 2560, 2560, 2560, 8192), "sigmoid")
