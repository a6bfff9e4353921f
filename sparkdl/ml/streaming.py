"""Training on a stream: each micro-batch once, however often Spark hands it over."""

from __future__ import annotations

import os
from typing import Any

from sparkdl.errors import DataError
from sparkdl.ml.estimator import NNEstimator, NNModel
from sparkdl.optim.checkpoint.hadoop import files_at
from sparkdl.optim.checkpoint.snapshot import Epoch, Snapshot
from sparkdl.optim.progress import Progress

_FILE = "stream.sparkdl"


class StreamTrainer:
    """A function for ``foreachBatch`` that goes on training ``estimator``'s model with every micro-batch.

        trainer = StreamTrainer(NNClassifier(model=net, maxEpochs=1), "/data/model")
        stream.writeStream.foreachBatch(trainer).option("checkpointLocation", ...).start()

    The weights and the number of the micro-batch that they are of are written to ``folder`` (of the driver's machine,
    or of any file system of Spark's: ``hdfs://...``) as one file, put in place at once. A micro-batch that Spark
    repeats after a failure is known by its number and skipped if its weights are there; if they are not, it is trained
    on from the weights before it. So the weights are those of a stream without failures. Use a new folder with a new
    checkpointLocation: numbers start anew there.

    The estimator's update rule starts without momentum in each micro-batch. Micro-batches without rows change nothing.
    """

    def __init__(self, estimator: NNEstimator, folder: str | os.PathLike[str]) -> None:
        self.estimator, self.files = estimator.copy(), files_at(os.fspath(folder))
        self.batchId = -1
        self.model: NNModel | None = None
        if _FILE in self.files.names():
            stored = Snapshot.unpack(self.files.read(_FILE), f"{self.files.where}/{_FILE}")
            self._take(stored)

    def __call__(self, batch: Any, batch_id: int) -> None:
        if batch_id <= self.batchId:
            return
        if not batch.isEmpty():
            self.model = self.estimator.fit(batch)
            self.estimator._set(model=self.model.getNet().train())
        net = self.estimator.getNet()
        arrays = {f"model/{name}": value for name, value in net.state_dict().items()}
        stored = Snapshot(Progress(iteration=batch_id + 1), Epoch(), {"batch": int(batch_id)}, arrays)
        self.files.write(_FILE, stored.pack())
        self.batchId = int(batch_id)

    def _take(self, stored: Snapshot) -> None:
        import copy

        if "batch" not in stored.run:
            raise DataError(f"{self.files.where}/{_FILE} is not of a stream.")
        net = copy.deepcopy(self.estimator.getNet())
        net.load_state_dict(stored.part("model"))
        self.batchId = int(stored.run["batch"])
        self.estimator._set(model=net)
        self.model = self.estimator._make_model(copy.deepcopy(net).eval())
