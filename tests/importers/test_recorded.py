"""Every recorded case of a model file gives what the runtime that made the recording gave.

The tolerance is that of float32 sums in another order: ``max |difference| <= 1e-4 * max |reference| + 1e-6``.
"""

from __future__ import annotations

import warnings

import caffecases
import kerascases
import numpy as np
import pytest

CASES = [("caffe", folder, "") for folder in caffecases.folders()]
CASES += [("keras", folder, file) for folder, file in kerascases.cases()]
passed: list[str] = []

NO_DATA = pytest.mark.skipif(not CASES, reason="no recorded models: set SPARKDL_DATA to the folder that holds them")


@NO_DATA
@pytest.mark.parametrize("kind, folder, file", CASES, ids=[f"{k}-{d.name}-{f}" for k, d, f in CASES])
def test_outputs_are_those_of_the_recording(kind, folder, file):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # surplus weights and the like are tested elsewhere
        if kind == "caffe":
            model, inputs, wanted = caffecases.load(folder)
            outputs = model({name: x for name, x in inputs.items() if name in model.input_names})
            outputs = outputs if isinstance(outputs, list) else [outputs]
            by_layer = dict(zip(model.output_layers, outputs, strict=True))
            pairs = [(by_layer[name], array) for name, array in wanted.items()]
        else:
            model, inputs, wanted = kerascases.load(folder, file)
            outputs = model(*inputs)
            pairs = list(zip(outputs if isinstance(outputs, list) else [outputs], wanted, strict=True))
    for got, reference in pairs:
        assert got.shape == reference.shape
        assert np.abs(got - reference).max(initial=0) <= 1e-4 * np.abs(reference).max(initial=0) + 1e-6
    passed.append(folder.name)


@NO_DATA
def test_count(capsys):
    with capsys.disabled():
        print(f"\nrecorded model files that agree: {len(passed)} of {len(CASES)}; excluded: none")
