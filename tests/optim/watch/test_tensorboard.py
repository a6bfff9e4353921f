"""Event files, read back by TensorBoard's own reader."""

from __future__ import annotations

import sys

import pytest

from sparkdl import optim
from sparkdl.errors import UnsupportedError
from tests.optim.watch.runs import Heard, data, trainer


def events(folder):
    reader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="tensorboard, which reads, is not installed"
    )
    found = reader.EventAccumulator(str(folder), size_guidance={reader.SCALARS: 0, reader.HISTOGRAMS: 0})
    found.Reload()
    return found


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_is_written_is_what_a_reader_finds(tmp_path):
    pytest.importorskip("tensorboardX", reason="tensorboardX, which writes, is not installed")
    heard, x_y = Heard(histograms=10), data()
    one = trainer(callbacks=[heard, optim.TensorBoard(tmp_path / "run", histograms=10)])
    history = one.fit(x_y, validation=x_y, metrics=[optim.Top1Accuracy(), optim.Loss()])
    found = events(tmp_path / "run")
    for tag, name in (("loss/train", "loss"), ("lr", "lr"), ("validation/Top1Accuracy", "Top1Accuracy")):
        points = found.Scalars(tag)
        assert [point.step for point in points] == history["iteration"]
        assert [point.value for point in points] == pytest.approx(history[name])
    assert "loss/batch" in found.Tags()["scalars"] and not any("rows_once" in t for t in found.Tags()["scalars"])
    for step, groups in heard.counted.items():
        for name, pair in groups.items():
            for what, histogram in zip(("weights", "gradients"), pair, strict=True):
                (read,) = [h for h in found.Histograms(f"{what}/{name}") if h.step == step]
                assert read.histogram_value.num == histogram.counts.sum() == sum(read.histogram_value.bucket)
    nodes = {node.name: node for node in found.Graph().node}
    kinds = [node.op for node in found.Graph().node]
    assert kinds == ["Input", "Linear", "BatchNorm1d", "ReLU", "Linear", "LogSoftmax"]
    order = [node.name for node in found.Graph().node]
    assert [list(nodes[name].input) for name in order] == [[], *([name] for name in order[:-1])]


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(UnsupportedError, match=r"pip install \"sparkdl-native\[tensorboard\]\""):
        optim.TensorBoard("runs")


@pytest.mark.parametrize(("folder", "options"), [(3, {}), ("", {}), (__file__, {}), ("runs", {"histograms": 0})])
def test_wrong_arguments_are_refused(folder, options):
    pytest.importorskip("tensorboardX", reason="tensorboardX is not installed")
    with pytest.raises((TypeError, ValueError), match="TensorBoard: "):
        optim.TensorBoard(folder, **options)
