"""Saved stages: Spark's metadata, and the net in the library's own plain format beside it.

    path/metadata/part-00000...    Spark's JSON: class, uid, params (losses, rules and metrics by class and arguments)
    path/net/                      what ``nn.save`` writes; ``nn.load(path + "/net")`` reads it without Spark

Nothing is pickled. Users' own classes are found among those registered with `sparkdl.ml.register`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from pyspark.ml.util import DefaultParamsReader, DefaultParamsWriter, MLReader, MLWriter

from sparkdl.errors import FormatError
from sparkdl.ml.folders import get, put
from sparkdl.ml.objects import to_json
from sparkdl.ml.registry import registered
from sparkdl.nn.serialize import load, save

NET = "net"


class Writer(MLWriter):
    """A writer whose ``overwrite()`` works in every kind of session."""

    def _handleOverwrite(self, path: str) -> None:
        if hasattr(self.sparkSession, "_jsparkSession"):
            super()._handleOverwrite(path)
        else:
            from pyspark.ml.connect.readwrite import RemoteMLWriter

            RemoteMLWriter.handleOverwrite(path, True)


class StageWriter(Writer):
    """Writes one stage; ``overwrite()`` first, to replace what is there."""

    def __init__(self, stage: Any) -> None:
        super().__init__()
        self.stage = stage

    def saveImpl(self, path: str) -> None:
        stage, spark = self.stage, self.sparkSession
        params = {param.name: to_json(value) for param, value in stage._paramMap.items() if param.name != "model"}
        more = {"history": getattr(stage, "_history", None)}
        DefaultParamsWriter.saveMetadata(stage, path, spark, extraMetadata=more, paramMap=params)
        if stage.isSet(stage.model):
            with tempfile.TemporaryDirectory() as folder:
                save(stage.getOrDefault(stage.model), Path(folder) / NET)
                put(spark, Path(folder) / NET, path)


class StageReader(MLReader[Any]):
    """Reads one stage."""

    def __init__(self, cls: type) -> None:
        super().__init__()
        self.cls = cls

    def load(self, path: str) -> Any:
        metadata = DefaultParamsReader.loadMetadata(path, self.sparkSession)
        name = f"{self.cls.__module__}.{self.cls.__qualname__}"
        if metadata["class"] != name:
            raise FormatError(f"{path} holds a {metadata['class']}, not a {name}; load it with that class.")
        stage = self.cls()
        stage._resetUid(metadata["uid"])
        try:
            DefaultParamsReader.getAndSetParams(stage, metadata)
        except ValueError as error:  # Spark wraps what a param's converter raises
            raise FormatError(f"{path}: {error}") from error
        if metadata.get("history") is not None:
            stage._history = metadata["history"]
        with tempfile.TemporaryDirectory() as folder:
            net = get(self.sparkSession, f"{path}/{NET}", Path(folder))
            if net is not None:
                stage._set(model=load(net, registered()))
        return stage
