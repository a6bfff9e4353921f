"""``load_caffe``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sparkdl import nn
from sparkdl.errors import FormatError
from sparkdl.importers.caffe.convert import NetBuilder, check_supported
from sparkdl.importers.caffe.message import Message
from sparkdl.importers.caffe.net import in_phase, read_net
from sparkdl.importers.caffe.weights import blobs_of, read_weights
from sparkdl.importers.limits import reading


def load_caffe(
    prototxt: str | Path | Message,
    weights: str | Path | None = None,
    phase: str = "TEST",
    *,
    inputs: Mapping[str, Sequence[int | None]] | None = None,
    level: int = 0,
    stages: Sequence[str] = (),
) -> nn.Graph:
    """The net of a prototxt (text or binary, of any version of the format) as a graph in eval mode.

    Parameters
    ----------
    weights  a ``.caffemodel`` or its HDF5 form; without it the weights are those in ``prototxt`` itself (a
             ``.caffemodel`` is a binary net too), or, where it holds none, the net's fillers draw them
    phase    ``"TEST"`` or ``"TRAIN"``: which layers the include and exclude rules keep. Loss and accuracy layers are
             left out, so what they read becomes an output
    inputs   shapes (without the batch) by name, where the file does not tell them: ``{"data": (3, 227, 227)}``
    level, stages  the rest of the net state that rules ask for, besides what the file's own ``state`` says

    The graph takes and gives NCHW arrays, in the order of the file, or a dict by blob name; ``output_names`` are the
    blobs it returns, ``output_layers`` the layers that make them. Layers are found by name: ``model["conv1"]``.
    ``preprocess`` does what the net's ``transform_param`` asks for.

    Raises ``UnsupportedError`` with all layers that cannot be converted, before any weight is read, and
    ``FormatError`` for files that are corrupt or do not fit together.
    """
    if phase not in ("TEST", "TRAIN"):
        raise ValueError(f"load_caffe: phase is 'TEST' or 'TRAIN', got {phase!r}.")
    net = read_net(prototxt)
    with reading(prototxt):
        layers = in_phase(net, phase, level or net["state"]["level"], [*net["state"]["stage"], *stages])
        if not layers:
            raise FormatError(f"{prototxt} has no layers in phase {phase}.")
        check_supported(layers)
        blobs = read_weights(weights) if weights is not None else blobs_of(net) or None
        builder = NetBuilder(blobs, inputs)
        there = {id(layer) for layer in layers}
        builder.left_out = {top: layer["name"] for layer in net["layer"] if id(layer) not in there for top in layer["top"]}
        graph = builder.run(layers, train=phase == "TRAIN")
    _describe(graph, builder, net, Path() if isinstance(prototxt, Message) else Path(prototxt).parent)
    return graph.eval()  # type: ignore[return-value]


def _describe(graph: nn.Graph, builder: NetBuilder, net: Any, folder: Path) -> None:
    from sparkdl.importers.caffe.preprocess import Preprocess

    transforms = [Preprocess.from_message(t, folder) for t in builder.preprocess.values()]
    graph.preprocess = transforms[0] if transforms else Preprocess()
    graph.net_name = net["name"]
    graph.loss_layers = builder.losses
    path_of = {id(p): path for path, p in graph.named_parameters()}
    graph.multipliers = {
        path_of[id(p)]: (rate, decay)
        for p, rate, decay in builder.multipliers.values()
        if id(p) in path_of and (rate, decay) != (1.0, 1.0)
    }
