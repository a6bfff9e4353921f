"""What is special about embeddings and recurrent layers; the common checks are in test_layers.py."""

import numpy as np
import pytest
import torch

from sparkdl import kernel, nn
from sparkdl.errors import DataError, ShapeError


def test_the_padding_row_starts_as_zeros_and_is_not_trained():
    layer = nn.Embedding(5, 3, padding_idx=-1).train()
    assert not layer.weight.value[4].any() and layer.padding_idx == 4
    layer(np.array([[4, 1], [4, 4]]))
    layer.backward(np.ones((2, 2, 3), np.float32))
    np.testing.assert_array_equal(layer.weight.gradient, np.outer([0, 1, 0, 0, 0], [1, 1, 1]))


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8, np.float32, np.float64])
def test_ids_of_any_dtype(dtype):
    layer = nn.Embedding(300, 2)
    np.testing.assert_array_equal(layer(np.array([0, 255], dtype)), layer.weight.value[[0, 255]])


@pytest.mark.parametrize("layer", [nn.Embedding(5, 3), nn.EmbeddingBag(5, 3)])
def test_ids_that_are_not_in_the_table_are_named(layer):
    with pytest.raises(DataError, match=r"Embedding.*ids run from 0 to 4, got 5 for sample 1\."):
        layer(np.array([[1, 2], [0, 5]]))
    with pytest.raises(DataError, match=r"looks up whole numbers, got 0.5 for sample 0\."):
        layer(np.array([[0.5, 2]]))


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_lengths_give_what_pytorch_gives_for_packed_sequences(kind):
    rng = np.random.default_rng(0)
    lengths = np.array([4, 1, 6, 3])
    layer = getattr(nn, kind)(3, 5, bidirectional=True, zero_output_for_mask=True, return_state=True)
    other = getattr(torch.nn, kind)(3, 5, bidirectional=True, batch_first=True)
    other.load_state_dict({k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in layer.state_dict().items()})
    x = rng.standard_normal((4, 6, 3)).astype(np.float32)
    pack = torch.nn.utils.rnn.pack_padded_sequence(torch.from_numpy(x), lengths, batch_first=True, enforce_sorted=False)
    wanted, ends = other(pack)
    wanted, _ = torch.nn.utils.rnn.pad_packed_sequence(wanted, batch_first=True, total_length=6)
    y, *states = layer(x, lengths)
    np.testing.assert_allclose(y, wanted.detach().numpy(), atol=1e-6)
    for state, end in zip(states, ends if isinstance(ends, tuple) else (ends,), strict=True):
        np.testing.assert_allclose(state, end.detach().numpy().transpose(1, 0, 2), atol=1e-6)


def test_a_skipped_step_repeats_state_and_output():
    layer = nn.LSTM(2, 3)
    x = np.random.default_rng(1).standard_normal((1, 4, 2)).astype(np.float32)
    y = layer(x, np.array([[1, 0, 1, 0]]))
    np.testing.assert_array_equal(y[0, 1], y[0, 0])
    np.testing.assert_array_equal(y[0, [0, 2]], layer(x[:, [0, 2]])[0])
    assert not layer(x, np.zeros((1, 4)))[0].any()


def test_steps_in_pieces_with_the_state_handed_on_equal_all_at_once():
    layer = nn.GRU(2, 3, num_layers=2, return_state=True)
    x = np.random.default_rng(1).standard_normal((5, 7, 2)).astype(np.float32)
    whole, end = layer(x)
    first, state = layer(x[:, :4])
    second, last = layer(x[:, 4:], state)
    np.testing.assert_array_equal(np.concatenate([first, second], axis=1), whole)
    np.testing.assert_array_equal(last, end)


@pytest.mark.parametrize("make", [nn.RNN, nn.LSTM, nn.GRU])
def test_bits_do_not_depend_on_threads_or_batch(make):
    layer = make(5, 33)
    x = np.random.default_rng(2).standard_normal((37, 4, 5)).astype(np.float32)
    threads = kernel.num_threads()
    try:
        kernel.set_num_threads(1)
        wanted = layer(x)
    finally:
        kernel.set_num_threads(threads)
    np.testing.assert_array_equal(layer(x), wanted)
    np.testing.assert_array_equal(layer(x[20:23]), wanted[20:23])


def test_recurrent_layers_train_inside_a_network():
    rng = np.random.default_rng(3)
    x = rng.integers(0, 4, (32, 6))
    target = (x[:, 0] == x[:, -1]).astype(np.int64)
    nn.manual_seed(0)
    net = nn.Sequential(nn.Embedding(4, 6), nn.LSTM(6, 12, return_sequences=False), nn.Linear(12, 2)).train()
    loss = nn.CrossEntropyLoss()
    first = loss(net(x), target)
    for _ in range(150):
        net.zero_grad()
        y = net(x)
        net.backward(loss.slope(y, target) / len(x))
        for p in net.parameters():
            p.data -= 1.0 * p.grad
    assert loss(net(x), target) < 0.2 * first


@pytest.mark.parametrize("mode", ["concat", "sum", "mul", "ave", None])
@pytest.mark.parametrize("sequences", [True, False])
def test_bidirectional_wrapper_equals_the_layer_of_two_directions(mode, sequences):
    one = nn.GRU(3, 4, return_sequences=sequences)
    wrapper = nn.Bidirectional(one, nn.GRU(3, 4, return_sequences=sequences), merge_mode=mode)
    both = nn.GRU(3, 4, bidirectional=True, merge_mode=mode, return_sequences=sequences)
    for name, value in wrapper.backward_layer.state_dict().items():
        getattr(both, name + "_reverse").value = value
    for name, value in one.state_dict().items():
        getattr(both, name).value = value
    x = np.random.default_rng(1).standard_normal((2, 5, 3)).astype(np.float32)
    for a, b in zip(np.atleast_1d(wrapper(x)), np.atleast_1d(both(x)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_decoder_reads_its_own_outputs_and_trains():
    layer = nn.LSTM(3, 3, return_state=True)
    decoder = nn.RecurrentDecoder(layer, 4)
    x = np.random.default_rng(1).standard_normal((2, 3)).astype(np.float32)
    y, *states = layer(x[:, None])
    for t in range(4):
        np.testing.assert_array_equal(decoder(x)[:, t], y[:, 0])
        y, *states = layer(y, *states)
    nn.gradcheck(decoder.double().train(), x.astype(np.float64))
    with pytest.raises(ValueError, match="return_state=True"):
        nn.RecurrentDecoder(nn.LSTM(3, 3), 4)


def test_trees_that_are_none_are_refused():
    layer, x = nn.BinaryTreeLSTM(2, 3), np.zeros((1, 2, 2), np.float32)
    with pytest.raises(DataError, match="node 0 of sample 0 .*or is its own"):
        layer(x, np.array([[[0, 1, -1], [-1, -1, 0]]]))
    with pytest.raises(DataError, match=r"node 1 of sample 0 is \[-1, -1, 2\]"):
        layer(x, np.array([[[-1, -1, 0], [-1, -1, 2]]]))


@pytest.mark.parametrize("alpha", [0.0, 0.8])
def test_a_beam_as_wide_as_the_tree_finds_the_best_sequences(alpha):
    rng = np.random.default_rng(2)
    classes, steps, end = 3, 3, 2
    table = np.log(rng.dirichlet(np.ones(classes), (2, classes, classes)))  # by sample, by the last two classes

    def score(sequences, state):
        last = sequences[:, -2:] if sequences.shape[1] > 1 else np.repeat(sequences, 2, 1)
        return table[state["sample"], last[:, 0], last[:, 1]], state

    state = {"sample": np.arange(2)}
    found, values = nn.beam_search(score, [0, 1], state, beams=20, steps=steps, end=end, alpha=alpha)
    for sample in range(2):
        every = {}
        for tail in np.ndindex((classes,) * steps):
            length = tail.index(end) + 1 if end in tail else steps
            sequence, total = [sample, *tail[:length]], 0.0
            for n in range(1, length + 1):
                before = sequence[max(0, n - 2) : n]
                total += table[sample, before[0], before[-1], sequence[n]]
            every[(*sequence, *[end] * (steps - length))] = total / ((5 + length) / 6) ** alpha
        wanted = sorted(every.values(), reverse=True)
        np.testing.assert_allclose(values[sample, : len(wanted)], wanted[:20])
        assert np.isneginf(values[sample, len(wanted) :]).all()
        for sequence, value in zip(found[sample], values[sample][: len(wanted)], strict=False):
            assert every[tuple(sequence)] == pytest.approx(value)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_bidirectional_with_lengths_is_pytorchs_packed_sequence_and_so_are_its_gradients(kind):
    rng = np.random.default_rng(5)
    lengths = np.array([4, 1, 6, 3])
    one, other = (getattr(nn, kind)(3, 5, zero_output_for_mask=True) for _ in range(2))
    layer = nn.Bidirectional(one, other).train()
    real = getattr(torch.nn, kind)(3, 5, bidirectional=True, batch_first=True)
    state = {**one.state_dict(), **{f"{name}_reverse": value for name, value in other.state_dict().items()}}
    real.load_state_dict({k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in state.items()})
    x, dy = (rng.standard_normal((4, 6, n)).astype(np.float32) for n in (3, 10))
    inputs = torch.from_numpy(x).requires_grad_()
    pack = torch.nn.utils.rnn.pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
    wanted, _ = torch.nn.utils.rnn.pad_packed_sequence(real(pack)[0], batch_first=True, total_length=6)
    wanted.backward(torch.from_numpy(dy))
    np.testing.assert_allclose(layer(x, lengths), wanted.detach().numpy(), atol=1e-6)
    dx, none = layer.backward(dy)
    assert none is None
    np.testing.assert_allclose(dx, inputs.grad.numpy(), atol=1e-5)
    for name, p in [*one.named_parameters(), *((f"{n}_reverse", p) for n, p in other.named_parameters())]:
        np.testing.assert_allclose(p.gradient, getattr(real, name).grad.numpy(), atol=2e-5)


def test_a_sample_cut_to_its_length_has_the_same_states():
    """ConvLSTM, from both ends: what lies behind a sample's last step has no part in it."""
    layer = nn.Bidirectional(nn.ConvLSTM2d(2, 3, 3, return_sequences=False, return_state=True, peephole=True))
    x, lengths = np.random.default_rng(6).standard_normal((3, 5, 2, 4, 3)).astype(np.float32), np.array([2, 5, 1])
    found = layer(x, lengths)
    for n, length in enumerate(lengths):
        for whole, cut in zip(found, layer(x[n : n + 1, :length]), strict=True):
            np.testing.assert_allclose(whole[n], cut[0], rtol=1e-6)


def test_bidirectional_says_what_a_mask_must_be():
    with pytest.raises(ShapeError, match=r"one mask \(2, 5\) or lengths \(2,\), got \[\(2, 4\)\]"):
        nn.Bidirectional(nn.GRU(3, 4))(np.zeros((2, 5, 3), np.float32), np.ones((2, 4)))
