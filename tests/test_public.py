"""The public surface: every name that a package offers loads, says what it is, and is this library's own."""

import importlib
import inspect
import subprocess
import sys

import pytest

import sparkdl

PACKAGES = ["sparkdl", *(f"sparkdl.{name}" for name in sparkdl.__all__)]
README = {
    "sparkdl": ["nn", "optim", "data", "blockmanager", "ml", "importers", "models", "__version__"],
    "sparkdl.nn": [
        *("Module", "Layer", "Parameter", "Graph", "Sequential", "load", "gradcheck"),
        *("Linear", "Conv2d", "MaxPool2d", "AvgPool2d", "ReLU", "Tanh", "Sigmoid", "Softmax", "LogSoftmax", "Flatten"),
        *("Reshape", "Dropout", "BatchNorm1d", "BatchNorm2d", "Identity"),
        *("NLLLoss", "CrossEntropyLoss", "MSELoss", "BCEWithLogitsLoss"),
    ],
    "sparkdl.optim": [
        *("Trainer", "SGD", "Adam", "AdamW", "Top1Accuracy", "TopK", "Loss"),
        *("max_epoch", "max_iteration", "every_epoch", "several_iteration", "and_", "or_"),
    ],
    "sparkdl.ml": ["NNClassifier", "NNModel"],
    "sparkdl.importers": ["load_keras", "load_caffe"],
}
"""The names that the documentation uses; taking one away breaks users."""


@pytest.mark.parametrize("package", README)
def test_the_documented_names_are_there(package):
    module = importlib.import_module(package)
    assert [name for name in README[package] if not hasattr(module, name)] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_loads_and_is_explained(package):
    module = importlib.import_module(package)
    assert module.__doc__
    for name in module.__all__:
        thing = getattr(module, name)
        assert name in dir(module)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert thing.__module__.startswith("sparkdl."), f"{package}.{name} comes from {thing.__module__}"
            assert inspect.getdoc(thing), f"{package}.{name} has no docstring"


def test_a_name_that_is_not_there_says_so():
    with pytest.raises(AttributeError, match="module 'sparkdl' has no attribute 'Linear'"):
        _ = sparkdl.Linear


def test_a_public_name_is_not_hidden_by_the_submodule_it_comes_from():
    code = "import sparkdl.nn.gradcheck, sparkdl.importers.limits; print(callable(sparkdl.nn.gradcheck), "
    code += "callable(sparkdl.importers.limits))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split() == ["True"] * 2


def test_packages_travel_by_name():
    from pyspark import cloudpickle

    assert cloudpickle.loads(cloudpickle.dumps(sparkdl.nn)) is sparkdl.nn
