"""The table of a model's layers."""

from sparkdl import nn


def test_summary_names_layers_shapes_and_counts():
    model = nn.Sequential(conv=nn.Conv2d(1, 6, 5), act=nn.Tanh(), pool=nn.MaxPool2d(2), flat=nn.Flatten())
    model.append(nn.Linear(864, 10), "out")
    lines = model.freeze("conv").summary((1, 28, 28)).splitlines()
    assert lines[0].split() == ["layer", "kind", "output", "parameters"]
    assert lines[2].split() == ["conv", "Conv2d", "(-1,", "6,", "24,", "24)", "156"]
    assert lines[6].split() == ["out", "Linear", "(-1,", "10)", "8,650"]
    assert lines[-1] == "8,806 parameters, 156 of them frozen"


def test_tied_weights_count_once_and_outputs_are_many():
    scale, x = nn.Linear(2, 2), nn.Input((2,))
    graph = nn.Graph(x, [scale(scale(x)), x * 2])
    text = graph.summary((2,))
    assert text.endswith("\n6 parameters")
    assert text.count("Linear") == 2
