"""Layers with weights for channels and features as layers of Caffe."""

from __future__ import annotations

import numpy as np

from sparkdl.errors import UnsupportedError
from sparkdl.importers.caffe.message import Message
from sparkdl.importers.caffe.writers import writes


@writes("Linear")
def _linear(w, use, x):
    p = use.layer
    parameter = Message("InnerProductParameter", num_output=p.out_features, bias_term=p.bias is not None, axis=len(use.shape))
    return w.layer("InnerProduct", x, blobs=[p.weight.value] + ([] if p.bias is None else [p.bias.value]), inner_product_param=parameter)


@writes("Embedding")
def _embedding(w, use, x):
    p = use.layer
    parameter = Message("EmbedParameter", input_dim=p.num_embeddings, num_output=p.embedding_dim, bias_term=False)
    return w.layer("Embed", x, blobs=[p.weight.value], embed_param=parameter)


@writes("BatchNorm1d", "BatchNorm2d", "BatchNorm3d")
def _batch_norm(w, use, x):
    p = use.layer
    if not p.track_running_stats:
        raise UnsupportedError(f"{use.name!r}: it keeps no running statistics to write down.")
    parameter = Message("BatchNormParameter", eps=float(p.eps), use_global_stats=True)
    y = w.layer("BatchNorm", x, blobs=[p.running_mean, p.running_var, np.ones(1, np.float32)], batch_norm_param=parameter)
    if p.weight is None:
        return y
    return w.layer("Scale", [y], blobs=[p.weight.value, p.bias.value], scale_param=Message("ScaleParameter", bias_term=True))


@writes("ScaleShift")
def _scale_shift(w, use, x):
    p, ndim = use.layer, len(use.shape) + 1
    axis = p.dim % ndim
    if p.shape != tuple(use.shape[axis - 1 : axis - 1 + len(p.shape)]):
        raise UnsupportedError(f"{use.name!r}: Caffe's Scale and Bias do not stretch axes.")
    common = {"axis": axis, "num_axes": len(p.shape)}
    if p.weight is None:
        return w.layer("Bias", x, blobs=[p.bias.value], bias_param=Message("BiasParameter", **common))
    blobs = [p.weight.value] + ([] if p.bias is None else [p.bias.value])
    return w.layer("Scale", x, blobs=blobs, scale_param=Message("ScaleParameter", bias_term=p.bias is not None, **common))
