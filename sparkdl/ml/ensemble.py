"""Several nets trained in one Spark job, averaged by one stage."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from pyspark.ml.base import Estimator
from pyspark.ml.param import Param, Params
from pyspark.ml.util import DefaultParamsReader, DefaultParamsWriter, MLReadable, MLReader, MLWritable

from sparkdl import nn
from sparkdl.carry import carry
from sparkdl.data.frame import prepare
from sparkdl.data.murmur import partition_keys
from sparkdl.data.taskrows import HASH, ROLE, FramePlan
from sparkdl.ml.classifier import NNClassifier, last_kind
from sparkdl.ml.estimator import NNEstimator
from sparkdl.ml.fitting import turn
from sparkdl.ml.params import at_least
from sparkdl.ml.persist import Writer
from sparkdl.ml.stage import stage
from sparkdl.nn.module import Module
from sparkdl.optim.check import check_feed
from sparkdl.optim.cluster import failure
from sparkdl.optim.cluster.task import SCHEMA, Task, array_of
from sparkdl.optim.exchange.local import Local
from sparkdl.optim.exchange.member import Member
from sparkdl.optim.job import Job
from sparkdl.optim.loop import Loop

_MEMBER = "_sparkdl_member"


def _estimator(value: Any) -> NNEstimator:
    if not isinstance(value, NNEstimator):
        raise TypeError(f"estimator must be an NNEstimator, NNClassifier or NNRegressor, got {type(value).__name__}.")
    return value


@stage
class NNEnsemble(Estimator, MLWritable, MLReadable):
    """Trains ``size`` nets of one kind at once, each in a task of its own, and averages them: ``fit(df)`` gives the
    model that ``estimator`` gives, whose net is the average (of probabilities, for a classifier).

    Member k starts from weights drawn with ``seed + k`` and visits the rows in an order of its own. With ``folds``
    member k does not see the rows of fold k, one of ``size``, and its figures in the summary are theirs.
    """

    estimator = Param(Params._dummy(), "estimator", "what one net is trained by.", typeConverter=_estimator)
    size = Param(Params._dummy(), "size", "nets (>= 1).", typeConverter=at_least("size", 1))
    folds = Param(Params._dummy(), "folds", "whether each net leaves out a fold of the rows.", typeConverter=bool)

    def __init__(self) -> None:
        super().__init__()
        self._setDefault(size=5, folds=False)

    def _fit(self, dataset: Any) -> Any:
        estimator, size = self.getOrDefault(self.estimator), self.getOrDefault(self.size)
        folds = self.getOrDefault(self.folds)
        if folds and size < 2:
            raise ValueError("folds needs size >= 2: each net leaves out one fold of size.")
        if estimator.isSet(estimator.checkpointPath):
            raise ValueError("an ensemble keeps no checkpoints: clear the estimator's checkpointPath.")
        trainer, columns = estimator._trainer(), estimator._columns()
        job = trainer.job(estimator._metrics())
        with turn(dataset.sparkSession):
            rows, plan = _dealt(dataset, columns, job, size, folds)
            try:
                found = rows.mapInArrow(carry(MemberTask(job, plan)), SCHEMA).collect()
            except Exception as error:
                told = failure.find(error)
                if told is None:
                    raise
                raise failure.restore(told) from None
        nets = []
        for k in range(size):
            net = copy.deepcopy(job.model)
            net.load_state_dict({r.name: array_of(r.data) for r in found if r.rank == k and r.kind == "state"})
            nets.append(_averaged(net, estimator))
        model = estimator._make_model(nn.Sequential(members=nn.Branches(*nets), mean=nn.Average()).eval())
        if isinstance(estimator, NNClassifier):
            model._set(outputKind="probabilities")
        histories = {r.rank: json.loads(r.data) for r in found if r.kind == "history"}
        model._history = [{"member": k, **line} for k in range(size) for line in histories[k]]
        return model._resetUid(self.uid)

    def copy(self, extra: Any = None) -> NNEnsemble:
        """A copy with a copy of the estimator; ``extra`` may hold params of both."""
        made = super().copy({p: v for p, v in (extra or {}).items() if p.parent == self.uid})
        if self.isSet(self.estimator):
            made._set(estimator=self.getOrDefault(self.estimator).copy(extra))
        return made

    def write(self) -> EnsembleWriter:
        return EnsembleWriter(self)

    @classmethod
    def read(cls) -> EnsembleReader:
        return EnsembleReader()


class EnsembleWriter(Writer):
    """The estimator lies in a folder of its own beside the metadata."""

    def __init__(self, ensemble: NNEnsemble) -> None:
        super().__init__()
        self.ensemble = ensemble

    def saveImpl(self, path: str) -> None:
        params = {p.name: v for p, v in self.ensemble._paramMap.items() if p.name != "estimator"}
        DefaultParamsWriter.saveMetadata(self.ensemble, path, self.sparkSession, paramMap=params)
        self.ensemble.getOrDefault(self.ensemble.estimator).write().session(self.sparkSession).save(f"{path}/estimator")


class EnsembleReader(MLReader[NNEnsemble]):
    """Reads what `EnsembleWriter` wrote."""

    def load(self, path: str) -> NNEnsemble:
        metadata = DefaultParamsReader.loadMetadata(path, self.sparkSession)
        ensemble = NNEnsemble()
        ensemble._resetUid(metadata["uid"])
        DefaultParamsReader.getAndSetParams(ensemble, metadata)
        estimator: Any = DefaultParamsReader.loadParamsInstance(f"{path}/estimator", self.sparkSession)
        return ensemble._set(estimator=estimator)


@dataclass
class MemberTask(Task):
    """Trains net k on the rows of partition k, with no other task's help."""

    job: Job
    plan: FramePlan

    def run(self, batches: Iterable[Any], rank: int) -> list[tuple[str, str, bytes]]:
        from sparkdl.kernel import set_num_threads
        from sparkdl.ml.score import task_threads
        from sparkdl.optim.cluster.task import _bytes, _listed

        set_num_threads(task_threads())
        feed, held_out = self.plan.decode(batches, task=0, tasks=1)
        job = replace(self.job, model=copy.deepcopy(self.job.model), seed=self.job.seed + rank)
        draw_again(job.model, job.seed)
        check_feed(job.model, job.loss, feed)
        loop = Loop(job, feed, Local(job.clip), Member(shards=job.shards), validation=held_out)
        history = list(loop.run().history)
        rows = [("history", "", json.dumps(history, default=_listed).encode())]
        return rows + [("state", name, _bytes(array)) for name, array in job.model.state_dict().items()]


def draw_again(model: Module, seed: int) -> None:
    """Draws the initial weights of all layers anew."""
    nn.manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.Layer):
            module.reset_parameters()


def _dealt(df: Any, columns: dict[str, Any], job: Job, size: int, folds: bool) -> tuple[Any, FramePlan]:
    """All rows once for each member, in its partition; with folds, its own fold marked for validation."""
    from pyspark.sql import functions as F

    tasks = min(size, job.shards)
    frame, plan = prepare(df, **columns, tasks=tasks, shards=job.shards, shuffle=True, dtype=job.model.dtype)
    rows = frame.withColumn(_MEMBER, F.explode(F.array(*map(F.lit, range(size)))))
    if folds:
        fold = F.pmod(F.xxhash64(F.lit(1), F.col(HASH)), F.lit(size))
        rows = rows.withColumn(ROLE, (fold == F.col(_MEMBER)).cast("tinyint"))
        plan = replace(plan, validated=True)
    key = F.element_at(F.array(*map(F.lit, partition_keys(size))), F.col(_MEMBER) + F.lit(1))
    return rows.repartition(size, key).drop(_MEMBER), plan


def _averaged(net: Module, estimator: NNEstimator) -> Module:
    """The net with outputs that can be averaged: probabilities, or numbers."""
    if not isinstance(estimator, NNClassifier):
        return net
    kind = estimator.getOrDefault(estimator.outputKind)
    kind = last_kind(net) if kind == "auto" else kind
    one = isinstance(estimator._loss(), nn.BCEWithLogitsLoss)
    last = {"logits": nn.Sigmoid() if one else nn.Softmax(), "log_probabilities": nn.Exp()}.get(kind)
    return net if last is None else nn.Sequential(net=net, probability=last)
