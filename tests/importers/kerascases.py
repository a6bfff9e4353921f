"""Recorded cases of Keras models: files, inputs, and the outputs that real Keras computed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from caffecases import root


def cases() -> list[tuple[Path, str]]:
    """``(folder, file)`` of every model file; descriptions stand for themselves and the weights beside them."""
    found = []
    for description in sorted(root().glob("keras*/*/case.json")):
        for file in json.loads(description.read_text())["files"]:
            if not file.endswith("weights.h5"):
                found.append((description.parent, file))
    return found


def load(folder: Path, file: str):
    """The model, its inputs in order, and the recorded outputs in order."""
    from sparkdl.importers import load_keras

    case = json.loads((folder / "case.json").read_text())
    weights = None
    if file.endswith((".json", ".yaml")):
        weights = folder / next(f for f in case["files"] if f.endswith("weights.h5"))
    model = load_keras(folder / file, weights)
    inputs = [np.load(folder / each["file"]) for each in case["inputs"]]
    return model, inputs, [np.load(folder / each["file"]) for each in case["outputs"]]
