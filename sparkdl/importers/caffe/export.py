"""``save_caffe``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sparkdl.importers.caffe import prototxt, wire
from sparkdl.importers.caffe.message import Message
from sparkdl.importers.caffe.writers import WRITERS
from sparkdl.importers.caffe.writers.net import Net
from sparkdl.importers.export import list_uses, write_uses
from sparkdl.nn.module import Module


def save_caffe(
    model: Module, path: str | Path, weights: str | Path, input_shapes: Sequence[Sequence[int]] | None = None, batch: int = 1
) -> None:
    """Writes ``model`` as a deploy prototxt and a ``.caffemodel`` of the newest form.

    ``input_shapes`` (without the batch axis) are needed where the graph does not know them; ``batch`` is the batch size
    written into the prototxt, as Caffe wants one. All layers that Caffe does not have are listed in one error before
    any file is made. Reads back with ``load_caffe``; BVLC Caffe runs it, but for Permute, which its SSD branch has.
    """
    listing = list_uses(model, input_shapes)
    writer = Net()
    names: dict[int, str] = {}
    for i, (name, shape) in enumerate(listing.inputs):
        names[i] = writer.unique(name)
        dims = Message("BlobShape", dim=[batch, *shape])
        writer.layers.append(
            Message("LayerParameter", name=names[i], type="Input", top=[names[i]], input_param=Message("InputParameter", shape=[dims]))
        )
    write_uses(listing, WRITERS, writer, names, "Caffe", lambda shape: "")
    _name_outputs(writer, [names[n] for n in listing.outputs])
    net = Message("NetParameter", name=getattr(model, "net_name", "") or type(model).__name__, layer=writer.layers)
    Path(weights).write_bytes(wire.write(net))
    bare = [_without_blobs(layer) for layer in writer.layers]
    Path(path).write_text(prototxt.write(Message("NetParameter", name=net["name"], layer=bare)))


def _name_outputs(writer: Net, wanted: list[str]) -> None:
    """Caffe's outputs are the blobs that nothing reads, in order: others go through one more layer, or into Silence."""
    read = {bottom for layer in writer.layers for bottom in layer["bottom"]}
    found = [top for layer in writer.layers if layer["type"] != "Input" for top in layer["top"] if top not in read]
    if found == wanted:
        return
    for name in found:
        if name not in wanted:
            writer.silence(name)
    for name in wanted:
        writer.base = f"{name}_output"
        writer.layer("Power", [name])


def _without_blobs(layer: Message) -> Message:
    new = layer.copy()
    new.fields.pop("blobs", None)
    return new
