"""Rows for modules that are made of layers: recurrent wrappers, blocks of attention, heads of detection, containers."""

import numpy as np

from sparkdl import nn
from tests.nn.case import Case
from tests.nn.cases_recurrent import conv_lstm, holes, lengths
from tests.nn.naive_recurrent import gru_step, lstm_step, reference


def by_torch(make):
    """The outputs of PyTorch's module with the same weights, in float64."""

    def computed(layer, *xs):
        import torch

        other = make(torch).double().train()  # its way for eval mode is another one, which promises fewer digits
        other.load_state_dict({name: torch.from_numpy(np.array(v)) for name, v in layer.state_dict().items()})
        with torch.no_grad():
            return other(*[torch.from_numpy(np.array(x)) for x in xs]).numpy()

    return computed


def like_torch(make, *shapes, **options):
    """A row for a module of the same name, arguments and weights in PyTorch."""
    return Case(lambda: make(nn), shapes, by_torch(torch_of(make)), torch=torch_of(make), tolerance=5e-5, **options)


def torch_of(make):
    return lambda torch: make(torch.nn, batch_first=True)


def encoder_layer(norm_first, bias=True):
    return lambda lib, **first: lib.TransformerEncoderLayer(
        6, 2, 8, 0.0, "gelu", norm_first=norm_first, bias=bias, **first
    )


def encoder(lib, **first):
    layer = lib.TransformerEncoderLayer(6, 2, 8, 0.0, **first)
    return lib.TransformerEncoder(layer, 2, **({"enable_nested_tensor": False} if first else {}))


def decoder_layer(norm_first, bias=True):
    def make(lib, **first):
        own = {} if first else {"causal": False}  # PyTorch hides nothing unless it is given a mask
        return lib.TransformerDecoderLayer(6, 2, 8, 0.0, norm_first=norm_first, bias=bias, **first, **own)

    return make


def decoder(lib, **first):
    return lib.TransformerDecoder(decoder_layer(False)(lib, **first), 2, lib.LayerNorm(6))


def feed_forward(layer, x):
    hidden = np.maximum(x @ layer.linear1.weight.value.T + layer.linear1.bias.value, 0)
    return hidden @ layer.linear2.weight.value.T + layer.linear2.bias.value


def two_affine(layer, x):
    first, _, last = layer.module
    hidden = np.tanh(x @ first.weight.value.T + first.bias.value)
    return hidden @ last.weight.value.T + last.bias.value


def affine(layer, x):
    return x @ layer.weight.value.T + layer.bias.value


def one_way_or_the_other(layer, x):
    return np.stack([
        affine(layer.then, row) if affine(layer.predicate, row)[0] > 0 else np.tanh(affine(layer.otherwise[0], row))
        for row in x
    ]) if len(x) else np.zeros((0, 3))  # fmt: skip


def again_and_again(layer, x):
    y = np.array(x)
    for row in y:
        for _ in range(layer.max_steps):
            if affine(layer.condition, row)[0] > 0:
                row[:] = np.tanh(affine(layer.body[0], row))
    return y


def cell():
    x, state = nn.Input((3,)), nn.Input((4,))
    new = nn.Tanh()(nn.Linear(3, 4)(x) + nn.Linear(4, 4)(state))
    return nn.Graph([x, state], [new, nn.Linear(4, 2)(new)])


def carried(layer, x, state):
    first, second, last = (m for m in layer.cell.modules() if isinstance(m, nn.Linear))
    if first.in_features != 3:
        first, second = second, first
    y = np.zeros((len(x), x.shape[1], 2))
    for t in reversed(range(x.shape[1])) if layer.reverse else range(x.shape[1]):
        state = np.tanh(affine(first, x[:, t]) + affine(second, state))
        y[:, t] = affine(last, state)
    return y, state


def both_ways(layer, x):
    back = layer.backward_layer(x[:, ::-1])
    return np.concatenate([layer.forward_layer(x), back[:, ::-1]], 2)


def masked_ways(of):
    """``of`` is the naive reference of both layers."""

    def run(layer, x, mask, *states):
        mask = np.arange(x.shape[1]) < mask[:, None] if mask.ndim == 1 else mask
        half = len(states) // 2
        ahead = of(layer.forward_layer, x, mask, *states[:half])
        back = of(layer.backward_layer, x[:, ::-1], mask[:, ::-1], *states[half:])
        ahead, back = (part if isinstance(part, list) else [part] for part in (ahead, back))
        if layer.backward_layer.return_sequences:
            back[0] = back[0][:, ::-1]
        features = 2 if layer.forward_layer.return_sequences else 1
        merged = {"concat": lambda a, b: np.concatenate([a, b], features), "mul": lambda a, b: a * b}
        return [merged[layer.merge_mode](ahead[0], back[0]), *ahead[1:], *back[1:]]

    return run


def decoded(layer, x):
    y, state, outputs = x[:, None], None, []
    for _ in range(layer.steps):
        y, state = layer.layer(y) if state is None else layer.layer(y, state)
        outputs.append(y)
    return np.concatenate(outputs, 1)


def pyramid(layer, fine, coarse):
    top = layer.inner[1](coarse)
    below = layer.inner[0](fine) + top.repeat(2, 2).repeat(2, 3)
    last = layer.layer[1](top)
    return [layer.layer[0](below), last, last[:, :, ::2, ::2]]


def regions(rng, shape):
    low = rng.integers(0, 8, (*shape[:2], 2))
    return np.concatenate([low, low + rng.integers(4, 50, (*shape[:2], 2))], 2)


def pooled(layer, *xs):
    return layer.pooler(*xs)


def box_head(layer, *xs):
    x = pooled(layer, *xs)
    x = x.reshape(*x.shape[:2], -1)
    for linear in (layer.fc6, layer.fc7):
        x = np.maximum(x @ linear.weight.value.T + linear.bias.value, 0)
    scores = np.exp(x @ layer.cls_score.weight.value.T + layer.cls_score.bias.value)
    offsets = x @ layer.bbox_pred.weight.value.T + layer.bbox_pred.bias.value
    return [scores / scores.sum(-1, keepdims=True), offsets]


def mask_head(layer, *xs):
    x = pooled(layer, *xs)
    rows = x.reshape(-1, *x.shape[2:])
    first, _, wide, _, last, _ = layer.each.module.children()
    y = last(np.maximum(wide(np.maximum(first(rows), 0)), 0))
    return (1 / (1 + np.exp(-y))).reshape(*x.shape[:2], *y.shape[1:])


def proposed(layer, *xs):
    *maps, picture = xs
    inner = [np.maximum(layer.conv(x), 0) for x in maps]
    scores = [1 / (1 + np.exp(-layer.cls_logits(x))) for x in inner]
    return layer.select(*scores, *(layer.bbox_pred(x) for x in inner), picture)


def sizes(rng, shape):
    return rng.integers(20, 33, shape)


def graph():
    a, b = nn.Input((4,), "a"), nn.Input((4,), "b")
    shared = nn.Linear(4, 3)
    return nn.Graph([a, b], [shared(a) + shared(b), nn.ReLU()(shared(a))])


def of_graph(layer, a, b):
    ya, yb = (x @ layer["linear"].weight.value.T + layer["linear"].bias.value for x in (a, b))
    return [ya + yb, np.maximum(ya, 0)]


MAPS = (2, 2, 8, 8), (2, 2, 4, 4)
CASES = {
    "Bidirectional": Case(lambda: nn.Bidirectional(nn.RNN(3, 4)), (3, 5, 3), both_ways),
    "Bidirectional with a mask": Case(
        lambda: nn.Bidirectional(nn.GRU(3, 4), merge_mode="mul"),
        ((4, 5, 3), (4, 5)),
        masked_ways(reference(gru_step)),
        inputs=[None, holes],
    ),
    "Bidirectional with lengths and states": Case(
        lambda: nn.Bidirectional(nn.LSTM(3, 4, return_sequences=False, return_state=True)),
        ((4, 5, 3), (4,), *((4, 1, 4),) * 4),
        masked_ways(reference(lstm_step)),
        inputs=[None, lengths, *(None,) * 4],
    ),
    "Bidirectional ConvLSTM with a mask": Case(
        lambda: nn.Bidirectional(nn.ConvLSTM2d(2, 3, 3)),
        ((3, 4, 2, 4, 3), (3, 4)),
        masked_ways(conv_lstm),
        inputs=[None, holes],
    ),
    "Bidirectional of what takes no mask": Case(
        lambda: nn.Bidirectional(nn.TimeDistributed(nn.Linear(3, 2))),
        (3, 5, 3),
        lambda layer, x: np.concatenate(
            [affine(each.module, x) for each in (layer.forward_layer, layer.backward_layer)], 2
        ),
        bad=[(((2, 5, 3), (2, 5)), "takes 1 inputs, got 2; a mask, lengths and states are for")],
    ),
    "RecurrentDecoder": Case(
        lambda: nn.RecurrentDecoder(nn.RNN(3, 3, return_state=True), 4),
        (4, 3),
        decoded,
        refused=[(lambda: nn.RecurrentDecoder(nn.RNN(3, 4, return_state=True), 4), "outputs")],
    ),
    "FeedForward": Case(
        lambda: nn.FeedForward(4, 6, 0.0),
        (3, 2, 4),
        feed_forward,
        refused=[(lambda: nn.FeedForward(4, activation="tanh"), "activation")],
    ),
    "TransformerEncoderLayer": like_torch(encoder_layer(False), (3, 4, 6)),
    "TransformerEncoderLayer, norms first": like_torch(encoder_layer(True), (3, 4, 6)),
    "TransformerEncoderLayer, no biases": like_torch(encoder_layer(False, False), (3, 4, 6)),
    "TransformerDecoderLayer, no biases": like_torch(decoder_layer(True, False), (3, 4, 6), (3, 5, 6)),
    "TransformerEncoder": like_torch(encoder, (3, 4, 6)),
    "TransformerDecoderLayer": like_torch(decoder_layer(False), (3, 4, 6), (3, 5, 6)),
    "TransformerDecoderLayer, norms first": like_torch(decoder_layer(True), (3, 4, 6), (3, 5, 6)),
    "TransformerDecoder": like_torch(decoder, (3, 4, 6), (3, 5, 6)),
    "FPN": Case(lambda: nn.FPN((2, 3), 4, top_blocks=1), ((2, 2, 8, 4), (2, 3, 4, 2)), pyramid),
    "BoxHead": Case(
        lambda: nn.BoxHead(2, 3, scales=(0.25, 0.125), resolution=2, representation=5),
        (*MAPS, (2, 3, 4)),
        box_head,
        inputs=(None, None, regions),
    ),
    "MaskHead": Case(
        lambda: nn.MaskHead(2, 3, scales=(0.25, 0.125), resolution=2, layers=(4,)),
        (*MAPS, (2, 3, 4)),
        mask_head,
        inputs=(None, None, regions),
    ),
    "RegionProposal": Case(
        lambda: nn.RegionProposal(2, sizes=(16, 32), strides=(4, 8), pre_nms=20, post_nms=6),
        (*MAPS, (2, 2)),
        proposed,
        inputs=(None, None, sizes),
        no_gradient="which boxes are best is not differentiated",
    ),
    "Sequential": Case(
        lambda: nn.Sequential(nn.Linear(4, 3), nn.ReLU()),
        (5, 4),
        lambda layer, x: np.maximum(x @ layer[0].weight.value.T + layer[0].bias.value, 0),
        torch=lambda t: t.nn.Sequential(t.nn.Linear(4, 3), t.nn.ReLU()),
    ),
    "Graph": Case(graph, ((3, 4), (3, 4)), of_graph),
    "Cond": Case(
        lambda: nn.Cond(nn.Linear(4, 1), nn.Linear(4, 3), nn.Sequential(nn.Linear(4, 3), nn.Tanh())),
        (7, 4),
        one_way_or_the_other,
    ),
    "While": Case(
        lambda: nn.While(nn.Linear(3, 1), nn.Sequential(nn.Linear(3, 3), nn.Tanh()), max_steps=4),
        (7, 3),
        again_and_again,
        refused=[
            (lambda: nn.While(nn.Linear(3, 1), nn.BatchNorm1d(3)), "running statistics"),
            (lambda: nn.While(nn.Linear(3, 1), nn.Linear(3, 3), max_steps=-1), "max_steps"),
        ],
    ),
    "Scan": Case(lambda: nn.Scan(cell()), ((3, 5, 3), (3, 4)), carried, bad=[(((3,), (3, 4)), "steps")]),
    "Scan, reversed": Case(lambda: nn.Scan(cell(), reverse=True), ((3, 5, 3), (3, 4)), carried),
    "Recompute": Case(
        lambda: nn.Recompute(nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2))),
        (5, 4),
        two_affine,
    ),
}
