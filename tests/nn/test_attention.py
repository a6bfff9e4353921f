"""Transformer blocks against PyTorch; the layers they are made of are checked in test_layers.py."""

import numpy as np
import pytest
import torch

from sparkdl import nn


def same_weights(ours, other):
    other.load_state_dict({k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in ours.state_dict().items()})
    return other


def compare(ours, other, *xs, call=None):
    """Outputs and all gradients of both, in training mode."""
    rng = np.random.default_rng(5)
    inputs = [torch.from_numpy(x.copy()).requires_grad_() for x in xs]
    wanted = (call or other)(*inputs)
    y = ours.train()(*xs)
    np.testing.assert_allclose(y, wanted.detach().numpy(), atol=2e-5)
    dy = rng.standard_normal(y.shape).astype(np.float32)
    dxs = ours.backward(dy)
    wanted.backward(torch.from_numpy(dy))
    for dx, x in zip(dxs if isinstance(dxs, tuple) else (dxs,), inputs, strict=True):
        np.testing.assert_allclose(dx, x.grad.numpy(), atol=2e-4)
    wanted_grads = {name: p.grad.numpy() for name, p in other.named_parameters()}
    assert wanted_grads.keys() == dict(ours.named_parameters()).keys()
    for name, p in ours.named_parameters():
        np.testing.assert_allclose(p.gradient, wanted_grads[name], atol=5e-4, err_msg=name)


def arrays(*shapes):
    rng = np.random.default_rng(4)
    return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_encoder_layer_is_pytorchs(norm_first, activation):
    options = {"dim_feedforward": 12, "dropout": 0.0, "activation": activation, "norm_first": norm_first}
    ours = nn.TransformerEncoderLayer(8, 2, **options)
    other = same_weights(ours, torch.nn.TransformerEncoderLayer(8, 2, batch_first=True, **options))
    compare(ours, other, *arrays((3, 5, 8)))


@pytest.mark.parametrize("norm_first", [False, True])
def test_decoder_layer_is_pytorchs(norm_first):
    options = {"dim_feedforward": 12, "dropout": 0.0, "norm_first": norm_first}
    ours = nn.TransformerDecoderLayer(8, 2, **options)
    other = same_weights(ours, torch.nn.TransformerDecoderLayer(8, 2, batch_first=True, **options))
    hidden = torch.nn.Transformer.generate_square_subsequent_mask(5)
    compare(ours, other, *arrays((3, 5, 8), (3, 6, 8)), call=lambda x, memory: other(x, memory, tgt_mask=hidden))


def test_stacks_are_pytorchs():
    ours = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 12, 0.0), 2, nn.LayerNorm(8))
    layer = torch.nn.TransformerEncoderLayer(8, 2, 12, 0.0, batch_first=True)
    other = torch.nn.TransformerEncoder(layer, 2, torch.nn.LayerNorm(8), enable_nested_tensor=False)
    for p in ours.parameters():
        p.value += 0.1 * np.random.default_rng(1).standard_normal(p.shape)
    compare(ours, same_weights(ours, other), *arrays((3, 5, 8)))
    decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 12, 0.0, causal=False), 2)
    layer = torch.nn.TransformerDecoderLayer(8, 2, 12, 0.0, batch_first=True)
    compare(decoder, same_weights(decoder, torch.nn.TransformerDecoder(layer, 2)), *arrays((3, 5, 8), (3, 6, 8)))


def test_masked_scores_get_no_gradient():
    layer = nn.MaskScores(True).train()
    scores, dy = arrays((2, 3, 4, 5), (2, 3, 4, 5))
    mask = np.array([[1, 0, 1, 1, 1], [0, 1, 1, 0, 1]])
    layer(scores, mask)
    kept = np.tri(4, 5) * mask[:, None, None]
    np.testing.assert_array_equal(layer.backward(dy)[0], dy * kept)


def test_masked_places_do_not_matter():
    layer = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 12, 0.0), 2).eval()
    (x,) = arrays((2, 5, 8))
    mask = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
    changed = x.copy()
    changed[0, 3:] = 100
    np.testing.assert_array_equal(layer(x, mask)[0, :3], layer(changed, mask)[0, :3])
    np.testing.assert_allclose(layer(x[:1, :3])[0], layer(x, mask)[0, :3], atol=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 12), 2, nn.LayerNorm(8)),
        lambda: nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 12, norm_first=True), 1),
        lambda: nn.FeedForward(8, 12, activation="gelu"),
    ],
)
def test_saved_blocks_load(make, tmp_path):
    block = make().eval()
    xs = arrays((3, 5, 8), (3, 4, 8))[: 2 if isinstance(block, nn.TransformerDecoder) else 1]
    nn.save(block, tmp_path / "block")
    loaded = nn.load(tmp_path / "block")
    assert repr(loaded) == repr(block)
    np.testing.assert_array_equal(loaded(*xs), block(*xs))


def test_a_block_refuses_an_unknown_activation():
    with pytest.raises(ValueError, match="TransformerEncoderLayer: activation is one of .*got 'tanh'"):
        nn.TransformerEncoderLayer(8, 2, activation="tanh")
