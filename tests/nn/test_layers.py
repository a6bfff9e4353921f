"""The common checks on every layer of the table."""

import copy
import pickle

import numpy as np
import pytest

from sparkdl import nn
from sparkdl.errors import SparkDLError
from sparkdl.nn.context import Run
from sparkdl.nn.flat import Flat
from sparkdl.nn.graph import program_of
from sparkdl.nn.plan import rewrite
from sparkdl.nn.program import Pass
from tests.nn import torch_functions
from tests.nn.cases import CASES
from tests.nn.nets import split_run

SEEDED = {"seed": 3, "step": 5}
BOUNDS = [0, 1, 1, 3, 6, 7, 9, 9, 12]  # eight leaves, two of them empty


def layers(**filters):
    return pytest.mark.parametrize(
        "case", [pytest.param(c, id=name) for name, c in CASES.items() if all(bool(getattr(c, k)) for k in filters)]
    )


def training_pass(layer, xs):
    layer.train()
    run = Run.single(len(xs[0]), training=True, **SEEDED)
    return Pass(program_of(layer, xs), xs, run, layer.dtype)


def gradients(layer, xs, seed=4):
    """Outputs of a training run, input gradients and parameter gradients, for fixed random output gradients."""
    for p in layer.parameters():
        p.grad, p.touched = None, False
    done = training_pass(layer, xs)
    rng = np.random.default_rng(seed)
    dys = [rng.standard_normal(y.shape).astype(y.dtype) for y in done.outputs]
    dxs = done.backward(list(dys))
    return done.outputs, dys, dxs, {name: gradient(p) for name, p in layer.named_parameters()}


def gradient(p):
    """Zeros for a weight that only decides: it gets none."""
    return np.zeros(p.shape, p.dtype) if p.grad is None else p.gradient


def as_list(outputs):
    return list(outputs) if isinstance(outputs, tuple | list) else [outputs]


def close(a, b, case, factor=1.0):
    np.testing.assert_allclose(a, b, rtol=case.tolerance * factor, atol=case.tolerance * factor)


ABSTRACT = {"Module", "Layer", "Elementwise", "ModuleList"}


def test_every_public_layer_and_module_has_a_row():
    public = {n for n in nn.__all__ if isinstance(thing := getattr(nn, n), type) and issubclass(thing, nn.Module)}
    rows = {type(case.make()).__name__ for case in CASES.values()}
    assert public - rows == ABSTRACT


def test_every_layer_is_compared_with_pytorch_or_what_stands_in_for_it_is_named():
    alike = {type(case.make()).__name__ for case in CASES.values() if case.torch}
    rows = {type(case.make()).__name__ for case in CASES.values()}
    others = torch_functions.KERAS.union(*(names.split() for names in torch_functions.NAIVE.values()))
    assert rows - alike == others


@layers()
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_reference(case, dtype):
    layer, xs = case.layer().to(dtype), case.arrays(dtype)
    exact = [x.astype(np.float64) if x.dtype.kind == "f" else x for x in xs]
    modes = {False: case.reference, True: case.reference if case.training == "same" else case.training}
    for training, reference in modes.items():
        if reference is None:
            continue
        wanted = as_list(reference(copy.deepcopy(layer).double().train(training), *exact))
        got = as_list(layer.train(training)(*xs))
        assert len(got) == len(wanted)
        for y, w in zip(got, wanted, strict=True):
            assert y.shape == np.shape(w)
            assert y.dtype == dtype or y.dtype.kind in "iub"
            np.testing.assert_allclose(
                y,
                w,
                rtol=1e-9 if dtype == np.float64 else case.tolerance,
                atol=1e-10 if dtype == np.float64 else case.tolerance,
            )


@layers(differentiable=True)
def test_finite_differences(case):
    nn.gradcheck(case.layer().train(), *case.arrays(np.float64, batch=min(3, case.shapes[0][0])), tolerance=2e-5)


@layers(torch=True)
def test_pytorch(case):
    torch = pytest.importorskip("torch")
    layer, xs = case.layer(), case.arrays()
    other = case.torch(torch)
    if isinstance(other, torch.nn.Module):
        state = {name: torch.from_numpy(np.ascontiguousarray(v)) for name, v in layer.state_dict().items()}
        other.load_state_dict(state)
        other.train()
    if case.training != "same":
        if isinstance(other, torch.nn.Module):
            other.eval()
        with torch.no_grad():
            wanted = other(*[torch.from_numpy(x) for x in xs])
        for y, w in zip(as_list(layer.eval()(*xs)), as_list(wanted), strict=True):
            close(y, w.numpy(), case)
    if case.training is None:
        return
    if isinstance(other, torch.nn.Module):
        other.train()
    inputs = [torch.from_numpy(x.copy()).requires_grad_(x.dtype.kind == "f") for x in xs]
    wanted = as_list(other(*inputs))
    outputs, dys, dxs, grads = gradients(layer, xs)
    for y, w in zip(outputs, wanted, strict=True):
        close(y, w.detach().numpy(), case)
    if not case.differentiable:
        return
    for w, dy in zip(wanted, dys, strict=True):
        if w.requires_grad:  # places have no gradient
            w.backward(torch.from_numpy(np.ascontiguousarray(dy)), retain_graph=True)
    for dx, x in zip(dxs, inputs, strict=True):
        if x.grad is not None:
            close(dx, x.grad.numpy(), case, 10)
    if isinstance(other, torch.nn.Module):
        for name, p in other.named_parameters():
            close(grads[name], p.grad.numpy(), case, 10)
        for name, buffer in other.named_buffers():
            close(dict(layer.named_buffers())[name], buffer.numpy(), case)


@layers()
def test_eval_mode_keeps_and_changes_nothing(case):
    layer, xs = case.layer().eval(), case.arrays()
    before, given = layer.state_dict(), [x.copy() for x in xs]
    first, second = as_list(layer(*xs)), as_list(layer(*xs))
    for a, b in zip(first, second, strict=True):
        assert np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    for name, value in layer.state_dict().items():
        assert np.array_equal(value, before[name])
    assert all(np.array_equal(x, g) for x, g in zip(xs, given, strict=True))
    assert getattr(layer._local, "last", None) is None


@layers()
def test_empty_batch(case):
    layer, xs = case.layer(), case.arrays(batch=0)
    wanted = as_list(layer.eval()(*case.arrays(batch=1)))
    for y, w in zip(as_list(layer.eval()(*xs)), wanted, strict=True):
        assert y.shape == (0, *w.shape[1:]) if case.alone else len(y) == 0
    if case.differentiable:
        _, _, dxs, grads = gradients(layer, xs)
        assert all(dx is None or dx.shape == x.shape for dx, x in zip(dxs, xs, strict=True))
        assert not any(g.any() for g in grads.values() if g is not None)


@layers()
def test_batch_of_one(case):
    layer, xs = case.layer().eval(), case.arrays()
    whole = as_list(layer(*xs))
    one = as_list(layer(*[x[:1] for x in xs]))
    for y, w in zip(one, whole, strict=True):
        assert y.shape == (1, *w.shape[1:])
        if case.alone:
            assert np.array_equal(y, w[:1], equal_nan=y.dtype.kind == "f")
    if case.differentiable:
        gradients(layer, [x[:1].copy() for x in xs])


def spread(x):
    """The same values far apart in memory, axes in reverse order."""
    wide = np.zeros([2 * n + 1 for n in reversed(x.shape)], x.dtype)
    view = wide[tuple(slice(0, 2 * n, 2) for n in reversed(x.shape))].transpose()
    view[...] = x
    return view


@layers()
def test_inputs_of_any_strides(case):
    layer, xs = case.layer(), case.arrays()
    wanted, _, dxs, grads = gradients(copy.deepcopy(layer), xs) if case.differentiable else (None,) * 4
    strided = [spread(x) for x in xs]
    for y, w in zip(as_list(layer.eval()(*strided)), as_list(layer.eval()(*xs)), strict=True):
        close(y, w, case)
    if not case.differentiable:
        return
    done = training_pass(layer, strided)
    rng = np.random.default_rng(4)
    dys = [spread(rng.standard_normal(y.shape).astype(y.dtype)) for y in done.outputs]
    others = done.backward(dys)
    for a, b in zip(done.outputs, wanted, strict=True):
        close(a, b, case)
    for a, b in zip(others, dxs, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            close(a, b, case, 10)
    for name, p in layer.named_parameters():
        close(gradient(p), grads[name], case, 10)
    assert all(np.array_equal(a, b) for a, b in zip(strided, xs, strict=True))


@layers(bad=True)
def test_wrong_shapes_are_refused_with_a_reason(case):
    layer = case.layer()
    for shapes, words in case.bad:
        with pytest.raises((ValueError, SparkDLError), match=words) as caught:
            layer(*[np.zeros(shape, np.float32) for shape in shapes])
        assert type(layer).__name__ in str(caught.value)


@layers()
def test_inputs_of_other_shapes_do_or_are_refused_by_name(case):
    """Whatever the shape: an output, or an error that names the layer (or the one inside that could not go on)."""
    layer, xs = case.layer().eval(), case.arrays()
    names = {type(module).__name__ for module in layer.modules()}
    names |= {"Add", "SubtractiveNorm", "StepMask"}  # made by these layers
    others = (
        [np.zeros(3, x.dtype) for x in xs],
        [np.zeros((*x.shape, 2), x.dtype) for x in xs],
        [np.zeros((*x.shape[:-1], x.shape[-1] + 1), x.dtype) for x in xs if x.ndim > 1],
    )
    for arrays in others:
        if len(arrays) == len(xs):
            try:
                with np.errstate(all="ignore"):
                    layer(*arrays)
            except (ValueError, SparkDLError) as error:
                assert any(name in str(error) for name in names)
                assert any(str(n) in str(error) for x in arrays for n in x.shape), "what came is not said"
    with pytest.raises((ValueError, SparkDLError), match="batch|axis|axes|shape|takes"):  # no layer takes a number
        layer(*[x.ravel()[0] for x in xs])


@layers(refused=True)
def test_wrong_arguments_are_refused_with_a_reason(case):
    for make, words in case.refused:
        with pytest.raises((ValueError, SparkDLError), match=words) as caught:
            make()
        assert type(case.make()).__name__ in str(caught.value)


@layers()
def test_other_dtypes_are_refused(case):
    for value in ("a", 1j, np.datetime64("2020-01-01"), object()):
        with pytest.raises(SparkDLError, match="dtype"):
            case.layer()(*[np.full(shape, value) for shape in case.shapes])


@layers()
def test_pickling_copying_saving_and_loading(case, tmp_path):
    layer, xs = case.layer().eval(), case.arrays()
    wanted = as_list(layer(*xs))
    nn.save(layer, tmp_path / "model")
    loaded = nn.load(tmp_path / "model", layers=case.layers)
    assert type(loaded) is type(layer)
    assert repr(loaded) == repr(layer)
    for other in (loaded, pickle.loads(pickle.dumps(layer)), copy.deepcopy(layer)):
        assert not other.training
        for y, w in zip(as_list(other(*xs)), wanted, strict=True):
            assert np.array_equal(y, w, equal_nan=w.dtype.kind == "f")
        assert [n for n, _ in other.named_parameters()] == [n for n, _ in layer.named_parameters()]


@layers(differentiable=True)
def test_flat_views(case):
    layer, xs = case.layer(), case.arrays()
    wanted, _, _, grads = gradients(copy.deepcopy(layer), xs)
    flat = Flat(layer)
    flat.clear()
    run = Run.single(
        len(xs[0]),
        training=True,
        **SEEDED,
    )
    run.grads = flat.by_parameter
    done = Pass(program_of(layer, xs), xs, run, layer.dtype)
    rng = np.random.default_rng(4)
    done.backward([rng.standard_normal(y.shape).astype(y.dtype) for y in done.outputs])
    flat.settle()
    for y, w in zip(done.outputs, wanted, strict=True):
        assert np.array_equal(y, w)
    for segment in flat.segments:
        p = dict(layer.named_parameters())[segment.name]
        piece = flat.grads[0, segment.start : segment.stop].reshape(p.data.shape)
        assert np.array_equal(p._seen(piece), grads[segment.name])
        assert np.shares_memory(p.data, flat.weights)


@layers(differentiable=True)
def test_same_bits_for_any_number_of_tasks(case):
    layer, xs = case.layer().train(), case.arrays(batch=12)
    outputs = training_pass(copy.deepcopy(layer), xs).outputs
    rng = np.random.default_rng(4)
    dys = [rng.standard_normal(y.shape).astype(y.dtype) for y in outputs]
    wanted = split_run(layer, xs, dys, BOUNDS, 1)
    for tasks in (3, 8):
        got = split_run(layer, xs, dys, BOUNDS, tasks)
        for a, b in zip((*got[0], *got[1]), (*wanted[0], *wanted[1]), strict=True):
            assert (a is None and b is None) or np.array_equal(a, b), f"{tasks} tasks"
        for name in wanted[2]:
            assert np.array_equal(got[2][name], wanted[2][name]), f"{name}, {tasks} tasks"
        for name in wanted[3]:
            assert np.array_equal(got[3][name], wanted[3][name]), f"{name}, {tasks} tasks"


@layers()
def test_planned_equals_unplanned(case):
    layer, xs = case.layer(), case.arrays()
    net = nn.Graph(inputs := [nn.Input(x.shape[1:], f"x{i}", x.dtype) for i, x in enumerate(xs)], layer(*inputs))
    program = program_of(net, xs)
    results = []
    for each in (program, rewrite(program)):
        for p in net.parameters():
            p.grad, p.touched = None, False
        done = Pass(each, xs, Run.single(len(xs[0]), training=True, **SEEDED), layer.dtype)
        rng = np.random.default_rng(4)
        outputs = [np.array(y) for y in done.outputs]
        dxs = []
        if case.differentiable:
            dxs = done.backward([rng.standard_normal(y.shape).astype(y.dtype) for y in outputs])
        results.append([*outputs, *[p.gradient for p in net.parameters()], *dxs])
    for a, b in zip(*results, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            close(a, b, case)
