"""The local predictor: the model's outputs, from many threads, in runs of rows."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from sparkdl import ml, nn
from sparkdl.ml.outputs import class_scores
from tests.ml.conftest import net, points


def test_many_threads_get_the_models_outputs():
    model, (x, _) = net(), points()
    expected = net().eval()(x)
    predictor = ml.Predictor(model, batch_size=len(x))
    with ThreadPoolExecutor(8) as pool:
        for y in pool.map(lambda _: predictor(x), range(40)):
            np.testing.assert_array_equal(y, expected)
    np.testing.assert_allclose(ml.Predictor(model, batch_size=7)(x), expected, rtol=1e-5)
    assert model.training


def test_wrong_arguments():
    with pytest.raises(TypeError, match="sparkdl.nn.Module"):
        ml.Predictor("net")
    with pytest.raises(ValueError, match="batch_size"):
        ml.Predictor(net(), batch_size=0)


@pytest.mark.parametrize("kind", ["logits", "log_probabilities", "probabilities"])
@pytest.mark.parametrize("classes", [1, 3])
def test_scores_of_classes(kind, classes):
    z = np.random.default_rng(0).normal(size=(5, classes)) * 20
    p = 1 / (1 + np.exp(-z)) if classes == 1 else np.exp(z) / np.exp(z).sum(1, keepdims=True)
    y = {"logits": z, "log_probabilities": np.log(p), "probabilities": p}[kind]
    raw, found = class_scores(y, kind)
    whole = np.concatenate([1 - p, p], axis=1) if classes == 1 else p
    np.testing.assert_allclose(found, whole, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(raw[:, -1], y[:, -1])
    assert (raw.argmax(1) == whole.argmax(1)).all()


def test_the_last_layer_says_what_the_output_is():
    from sparkdl.ml.classifier import last_kind

    x = nn.Input((3,), name="x")
    assert last_kind(nn.Graph([x], [nn.Softmax()(x)])) == "probabilities"
    assert last_kind(nn.Sequential(nn.Linear(3, 2), nn.LogSoftmax())) == "log_probabilities"
    assert last_kind(net()) == "logits"
