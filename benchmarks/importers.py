"""Load time and first-forward time of model files, next to real Keras and OpenCV's dnn where they are installed.

    python benchmarks/importers.py FILES...        .keras and .h5 files; a prototxt's weights lie beside it
    python benchmarks/importers.py                 some of the recorded models under $SPARKDL_DATA

Each measurement is a process of its own, since imports and compiled kernels are part of what a user waits for. Outputs
are compared first; then the smallest of ``--rounds`` interleaved times is printed (seconds), and this library's time as
a multiple of the other's. ``--others`` names another interpreter that has Keras (with TensorFlow) and OpenCV.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

RECORDED = (
    "caffe/lenet_mnist_v2/lenet.prototxt", "caffe/ultraface_slim320/slim-320.prototxt", "caffe_suite/net_mini_mobilenet/deploy.prototxt",
    "keras_trained/k3_mnist_resnet_trained/model.keras", "keras_generated/k3_lstm_stack/model.keras", "keras_generated/k3_lenet/model.keras",
)  # fmt: skip
ENGINES = {".keras": ("sparkdl", "keras"), ".h5": ("sparkdl", "keras"), ".hdf5": ("sparkdl", "keras"), ".prototxt": ("sparkdl", "opencv")}


def weights_of(prototxt: Path) -> Path:
    return next(p for p in sorted(prototxt.parent.iterdir()) if ".caffemodel" in p.name)


def measure(engine: str, path: Path, inputs: list[np.ndarray], output: Path) -> dict[str, float]:
    """Loads the file and runs it twice in this process."""
    start = time.perf_counter()
    if engine == "sparkdl":
        from sparkdl.importers import load_caffe, load_keras

        model = load_caffe(path, weights_of(path)) if path.suffix == ".prototxt" else load_keras(path)
        names = getattr(model, "output_layers", None)
        run = lambda: model(*inputs)  # noqa: E731
    elif engine == "keras":
        import keras

        model = keras.models.load_model(path, compile=False)
        names = None
        run = lambda: model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)  # noqa: E731
    else:
        import cv2

        net = cv2.dnn.readNetFromCaffe(str(path), str(weights_of(path)))
        names = net.getUnconnectedOutLayersNames()

        def run():
            net.setInput(inputs[0])
            return net.forward(names)

    loaded = time.perf_counter()
    y = run()
    first = time.perf_counter()
    run()
    second = time.perf_counter()
    outputs = list(y) if isinstance(y, list | tuple) else [y]
    np.savez(output, **dict(zip(names or [f"output{i}" for i in range(len(outputs))], outputs, strict=True)))
    return {"load": loaded - start, "first": first - loaded, "second": second - first}


def child(python: str, engine: str, path: Path, inputs: Path, output: Path) -> dict[str, float] | None:
    command = [python, __file__, "--measure", engine, str(path), str(inputs), str(output)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print(f"{path.parent.name}: {engine} does not run it ({(done.stderr.strip().splitlines() or ['killed'])[-1][:100]})")
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--others", default=sys.executable, help="interpreter of Keras and OpenCV")
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        engine, path, inputs, output = options.measure
        with np.load(inputs) as held:
            arrays = [held[key] for key in held.files]
        print(json.dumps(measure(engine, Path(path), arrays, Path(output))))
        return
    root = Path(os.environ.get("SPARKDL_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
    print(f"{'file':28s} {'engine':8s} {'load':>8s} {'first':>8s} {'second':>8s}")
    for path in options.files or [root / name for name in RECORDED if (root / name).exists()]:
        compare(path, options.rounds, options.others)


def compare(path: Path, rounds: int, others: str) -> None:
    recorded = sorted(path.parent.glob("input*.npy"))
    if not recorded:
        print(f"{path.name}: no input*.npy beside it")
        return
    engines, outputs = ENGINES[path.suffix], {}
    best: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        inputs = Path(folder) / "inputs.npz"
        np.savez(inputs, *[np.load(p) for p in recorded])
        for _ in range(rounds):
            for engine in engines:
                output = Path(folder) / f"{engine}.npz"
                times = child(sys.executable if engine == "sparkdl" else others, engine, path, inputs, output)
                if times is not None:
                    with np.load(output) as held:
                        outputs[engine] = dict(held)
                    best[engine] = {k: min(v, best.get(engine, times)[k]) for k, v in times.items()}
    first, *references = outputs.values()
    for other in references:
        for name, y in other.items():
            assert np.abs(first[name] - y).max() <= 1e-4 * np.abs(y).max() + 1e-6, f"{path}: output {name} differs"
    for engine, times in best.items():
        print(f"{path.parent.name[:28]:28s} {engine:8s} {times['load']:8.3f} {times['first']:8.3f} {times['second']:8.3f}")
    ours = best.pop("sparkdl", None)
    for engine, times in best.items() if ours else ():
        print(f"{'':28s} {'ratio':8s} " + " ".join(f"{ours[k] / times[k]:8.2f}" for k in ("load", "first", "second")) + f"  of {engine}'s")


if __name__ == "__main__":
    main()
