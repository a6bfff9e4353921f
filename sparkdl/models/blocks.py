"""What several of the nets are made of."""

from __future__ import annotations

from typing import Any

from sparkdl import nn


def graph(inputs: Any, outputs: Any, **named: nn.Module) -> nn.Graph:
    """A graph whose layers are called as in ``named``; those of a named container ``name_path``."""
    names = {}
    for name, module in named.items():
        for path, each in module.named_modules():
            names[id(each)] = f"{name}_{path}" if path else name
    return nn.Graph(inputs, outputs, names)


def conv_bn(
    inputs: int,
    outputs: int,
    kernel: Any,
    stride: Any = 1,
    padding: Any = 0,
    groups: int = 1,
    activation: Any = nn.ReLU,
) -> nn.Sequential:
    """Convolution without bias, batch normalisation, activation (None for none)."""
    layers = nn.Sequential(
        conv=nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False),
        bn=nn.BatchNorm2d(outputs),
    )
    return layers if activation is None else layers.append(activation(), "act")


def he_init(model: nn.Module) -> nn.Module:
    """Convolutions from N(0, 2 / fan out), their biases 0, for nets of rectifiers.  Source: He et al. (2015)."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.value = nn.init.kaiming_normal(module.weight.shape, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                module.bias.value = nn.init.zeros(module.bias.shape)
    return model
