"""``save_onnx``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sparkdl.importers.caffe import wire
from sparkdl.importers.caffe.message import Message
from sparkdl.importers.export import list_uses, write_uses
from sparkdl.importers.onnx import schema  # noqa: F401  (adds ONNX's messages)
from sparkdl.importers.onnx.writers import WRITERS
from sparkdl.importers.onnx.writers.graph import Graph
from sparkdl.nn.module import Module

OPSET = 17


def save_onnx(model: Module, path: str | Path, input_shapes: Sequence[Sequence[int]] | None = None) -> None:
    """Writes the graph of ``model`` (in eval mode) as an ONNX file of opset 17; the batch size stays open.

    ``input_shapes`` (without the batch axis) are needed where the graph does not know them. All layers that ONNX, or
    this exporter, cannot write are listed in one error before the file is made.
    """
    listing = list_uses(model, input_shapes)
    writer = Graph()
    names = {i: name for i, (name, _) in enumerate(listing.inputs)}
    write_uses(listing, WRITERS, writer, names, "ONNX", lambda shape: "")
    outputs = []
    for i, number in enumerate(listing.outputs):
        outputs.append(writer.at(None, f"output{i}").node("Identity", [names[number]], name=f"output{i}"))
    graph = Message(
        "GraphProto", name=type(model).__name__, node=writer.nodes, initializer=writer.arrays,
        input=[_info(name, shape) for name, shape in listing.inputs],
        output=[_info(name, listing.shapes[n]) for name, n in zip(outputs, listing.outputs, strict=True)],
    )  # fmt: skip
    whole = Message(
        "ModelProto", ir_version=8, producer_name="sparkdl", graph=graph,
        opset_import=[Message("OperatorSetIdProto", domain="", version=OPSET)],
    )  # fmt: skip
    Path(path).write_bytes(wire.write(whole))


def _info(name: str, shape: Sequence[int]) -> Message:
    dims = [Message("DimensionProto", dim_param="N"), *(Message("DimensionProto", dim_value=int(n)) for n in shape)]
    tensor = Message("TensorTypeProto", elem_type=1, shape=Message("TensorShapeProto", dim=dims))
    return Message("ValueInfoProto", name=name, type=Message("TypeProto", tensor_type=tensor))
