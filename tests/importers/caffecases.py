"""Recorded cases of Caffe nets: files, inputs, and the outputs that another runtime computed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np


def root() -> Path:
    """The folder of real data, which need not exist."""
    return Path(os.environ.get("SPARKDL_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")


def folders() -> list[Path]:
    return sorted(p.parent for d in ("caffe", "caffe_suite") for p in (root() / d).glob("*/case.json"))


def load(folder: Path):
    """The model, its inputs by blob, and the recorded outputs by layer."""
    from sparkdl.importers import load_caffe

    case = json.loads((folder / "case.json").read_text())
    if "input" in case:
        inputs = {case["input"]["blob"]: np.load(folder / case["input"]["file"])}
        prototxt, weights = case.get("prototxt_derived", case["prototxt"]), folder / case["caffemodel"]
    else:
        inputs = {name: np.load(folder / file) for name, file in case["inputs"].items()}
        prototxt = "deploy.prototxt"
        weights = folder / "weights.caffemodel" if (folder / "weights.caffemodel").exists() else None
    model = load_caffe(folder / prototxt, weights)
    outputs = {name: np.load(folder / each["file"]) for name, each in case["outputs"].items()}
    return model, inputs, outputs
