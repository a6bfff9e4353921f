"""sparkdl and its peers on the same cores: training steps and inference, in turn, one process per engine.

    python benchmarks/cpu.py [row ...] [--threads 1 2] [--rounds 7] [--seconds 1.0] [--packages FOLDER]

Rows are training steps (forward, backward, update) by the name of their net, and ``predict:NET:BATCH``. PyTorch runs
eager channels-first, eager channels-last and torch.compile (for inference also frozen with folded normalisations);
TensorFlow joins for LeNet, onnxruntime and OpenVINO for inference, where they are installed, here or in another
environment's site-packages of the same Python (``--packages``). Losses and weights after some steps on the same
batches from the same weights, or outputs, are compared first. Printed: time of each engine over that of sparkdl in the
same round, median and minimum, and at the end all rows beside their targets.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from benchmarks import answering, training  # noqa: E402
from benchmarks.harness import Engine, rounds  # noqa: E402
from benchmarks.nets import WORKLOADS, their_model  # noqa: E402

TARGETS = {  # ratio for 1 thread and for 2; "ONNX": the better of onnxruntime and OpenVINO
    "lenet": {"PyTorch": (2.0, 2.0), "TensorFlow": (1.5, 1.5)}, "lenet_caffe": {"PyTorch": (1.3, 1.3)},
    "vgg16": {"PyTorch": (2.0, 2.0)}, "resnet18": {"PyTorch": (1.2, 1.1)}, "resnet50": {"PyTorch": (1.2, 1.1)},
    "mobilenet": {"PyTorch": (1.1, 1.0)}, "mlp": {"PyTorch": (1.2, 1.1)}, "lstm": {"PyTorch": (1.0, 1.0)},
    "transformer": {"PyTorch": (1.0, 1.0)},
}  # fmt: skip
PREDICT = {"PyTorch": (1.2, 1.1), "ONNX": (1.0, 1.0)}
ROWS = [*TARGETS, *(f"predict:{net}:{batch}" for net in ("vgg16", "resnet50") for batch in (1, 32))]


def installed(name: str, packages: str) -> bool:
    return importlib.util.find_spec(name) is not None or bool(packages) and (Path(packages) / name).is_dir()


class Row:
    """The engines of one row, and what has to be alike before they are timed."""

    def __init__(self, name: str, given: Any, threads: int, folder: str) -> None:
        self.name, self.engines = name, []
        self.packages, self.rough = given.packages, 1e-3 if given.compute == "float32" else 2e-2
        self.options = {"threads": threads, "seconds": given.seconds, "clock": given.clock}
        if name.startswith("predict:"):
            _, net, batch = name.split(":")
            self._predict(net, int(batch), given.forms, folder)
        else:
            self._train(name, given.forms, given.compute)

    def add(self, name: str, make: Any, **options: Any) -> None:
        try:
            self.engines.append(Engine(name, make, {"TF_CPP_MIN_LOG_LEVEL": "3"}, **options, **self.options))
        except RuntimeError as error:
            print(f"{name}: left out: {str(error).strip().splitlines()[-1]}")

    def _train(self, net: str, forms: list[str], compute: str) -> None:
        self.rough = max(self.rough, training.check(net))
        self.targets = TARGETS[net]
        self.add("sparkdl", training.sparkdl, workload=net, compute=compute)
        for form in forms:
            self.add(f"PyTorch {form}", training.pytorch, workload=net, form=form, compute=compute)
        if compute == "float32" and "TensorFlow" in self.targets and installed("tensorflow", self.packages):
            weights = {k: v.numpy() for k, v in their_model(net).state_dict().items()}
            for xla in (False, True):
                name = "TensorFlow" + " XLA" * xla
                self.add(name, training.tensorflow, workload=net, packages=self.packages, weights=weights, xla=xla)

    def _predict(self, net: str, batch: int, forms: list[str], folder: str) -> None:
        self.targets = PREDICT
        self.add("sparkdl", answering.sparkdl, workload=net, batch=batch)
        for form in [*forms, "frozen"]:
            self.add(f"PyTorch {form}", answering.pytorch, workload=net, batch=batch, form=form)
        path = str(Path(folder) / f"{net}.onnx")
        if not Path(path).exists():
            from sparkdl.importers import save_onnx

            save_onnx(answering.settled(net)[0], path, [WORKLOADS[net][1]])
        for name, make in (("onnxruntime", answering.onnxruntime), ("openvino", answering.openvino)):
            if installed(name, self.packages):
                self.add(f"ONNX {name}", make, workload=net, batch=batch, packages=self.packages, path=path)

    def check(self, figures: dict[str, dict]) -> None:
        """Fails unless all engines of a round computed the same, but for what the others differ among themselves.

        Some steps of a deep net of ReLUs in PyTorch's two layouts part by more than a thousandth.
        """
        ours = figures["sparkdl"]
        others = [each["loss"] for name, each in figures.items() if name != "sparkdl"]
        apart = max(others) - min(others)
        for name, each in figures.items():
            if not abs(each["loss"] - ours["loss"]) < apart + self.rough * max(1.0, abs(ours["loss"])):
                raise SystemExit(f"{name} has {each['loss']} where sparkdl has {ours['loss']}: nothing to compare")
            if "answer" in each and not np.abs(each["answer"] - ours["answer"]).max() < 1e-3 * each["loss"]:
                raise SystemExit(f"{name} gives other outputs than sparkdl: nothing to compare")

    def close(self) -> None:
        for engine in self.engines:
            engine.close()


def run(row: Row, given: Any) -> list[str]:
    """Prints all engines of a row; returns its lines of the table."""
    kept, thrown = rounds(row.engines, given.rounds, load=given.load)
    threads = row.options["threads"]
    if not kept:
        return [f"{row.name:22s} {threads} thread(s): no quiet round out of {thrown}"]
    row.check(kept[0])
    for engine in row.engines:
        times = [r[engine.name]["seconds"] * 1e3 for r in kept]
        paired = [r[engine.name]["seconds"] / r["sparkdl"]["seconds"] for r in kept]
        ratio = f"ratio median {statistics.median(paired):.2f} min {min(paired):.2f}"
        print(f"  {engine.name:24s} {min(times):9.2f} ms   {ratio}", flush=True)
    lines = []
    for peer, targets in row.targets.items():
        names = [engine.name for engine in row.engines if engine.name.startswith(peer)]
        if names:
            best = [min(r[n]["seconds"] for n in names) / r["sparkdl"]["seconds"] for r in kept]
            target, median = targets[min(threads, 2) - 1], statistics.median(best)
            lines.append(
                f"{row.name:22s} {threads} thread(s)  best {peer:10s} / sparkdl: median {median:.2f} min {min(best):.2f}"
                f"   target {target:.1f} {'holds' if median >= target else 'MISSED'}"
                f"   ({len(kept)} rounds, {thrown} thrown away)"
            )
            print(" ", lines[-1], flush=True)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", default=ROWS)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--load", type=float, default=0.3, help="cores that other work may take in a round")
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall", help="cpu: for 1 thread on a busy machine")
    parser.add_argument("--forms", nargs="*", default=["channels_first", "channels_last", "compile"])
    parser.add_argument(
        "--compute", choices=["float32", "bfloat16"], default="float32", help="of training rows; PyTorch's is autocast"
    )
    parser.add_argument("--packages", default="", help="site-packages with TensorFlow, onnxruntime and OpenVINO")
    given = parser.parse_args()
    if unknown := set(given.rows) - set(ROWS):
        parser.error(f"unknown rows {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    table: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in given.rows:
            for threads in given.threads:
                print(f"{name}, {threads} thread(s)", flush=True)
                row = Row(name, given, threads, folder)
                try:
                    table += run(row, given)
                finally:
                    row.close()
    print("\n".join(table))


if __name__ == "__main__":
    main()
