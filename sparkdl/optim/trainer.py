"""Trainer: the face of training, the same for arrays and for Spark DataFrames."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sparkdl.blockmanager.codecs import make as make_codec
from sparkdl.errors import DataError, UnsupportedError
from sparkdl.nn.losses.loss import Loss
from sparkdl.nn.module import Module
from sparkdl.optim.alone import alone
from sparkdl.optim.bar import Bar
from sparkdl.optim.checkpoint.checkpoints import Checkpoints
from sparkdl.optim.checkpoint.files import LocalFiles
from sparkdl.optim.checkpoint.keep import with_best
from sparkdl.optim.checkpoint.snapshot import Snapshot
from sparkdl.optim.history import History
from sparkdl.optim.inputs import in_models_order
from sparkdl.optim.job import Job
from sparkdl.optim.progress import Progress
from sparkdl.optim.rules.base import UpdateRule
from sparkdl.optim.stragglers import checked
from sparkdl.optim.watch.callback import Callback, OnEpoch, checked_callbacks
from sparkdl.optim.watch.callbacks import Callbacks

if TYPE_CHECKING:
    from sparkdl.optim.explain import Explanation
    from sparkdl.optim.watch.page import LivePage

SHARDS = 8


class Trainer:
    """Trains ``model`` to make ``loss`` small with the update rule ``optimizer``.

    batch_size   samples per step over all tasks; any number >= 1 (the epoch's last batch has what is left)
    max_epochs   shorthand for ``end=optim.max_epoch(n)``
    end          trigger: when to stop
    validate     trigger: when to look at the validation data (default: after every epoch)
    seed         of shuffling and of all random layers
    shards       virtual shards V; the result depends on it, and at most V tasks can work
    shuffle      False keeps the rows in the order in which they come; a DataFrame then gives the same result only
                 if its partitions do not change
    reshuffle    whether all rows are dealt anew in every epoch. Else a row stays in the virtual shard of its hash, of
                 which every batch has a proportional share, and only its turn there changes. Rows then move between
                 tasks at the start of an epoch, once the size of the data, and a task keeps half of its memory budget
                 for those that come
    clip         a clipping of gradients, as optim.ClipNorm(5.0)
    codec        how gradients travel between executors: "none", "fp16", "bf16" (sums are always float32, and weights
                 travel exactly). The last two are faster where the network is slow, and round: another number of tasks
                 then gives other bits, and ``history.varies`` says so
    tasks        how many Spark tasks train together (default: the free slots, at most V)
    threads      how many threads each task's kernels use (default: ``spark.task.cpus``; for arrays, all cores): few
                 tasks of many threads or many of few give the same weights
    layout       how an executor's slots are used, in place of ``tasks`` and ``threads``: "tasks", one task each (the
                 default); "threads", one task per executor with a thread each; "auto", the faster one by a short trial
    where        where a DataFrame is trained on: "cluster", its executors (the default); "local", this process, which
                 collects the rows; "auto", the faster one by what ``explain`` says. The weights are the same
    progress     whether to show a progress bar
    callbacks    what else hears of training, here: `Callback` objects, as optim.TensorBoard("runs/lenet")
    watch        True: a live page of this training, for a browser on this machine, and afterwards the same page as a
                 file; its name may be given in place of True, or an `optim.LivePage` with further settings
    checkpoint   folder in which to keep checkpoints: everything that a later ``fit(..., resume=folder)`` needs to go
                 on as if training had never stopped. Training on a DataFrame, task 0 writes them: the folder must then
                 be one that the executors and the driver share. A URI ("hdfs://...", "s3a://...", "file:///...") is
                 reached through Spark's own file systems
    checkpoint_every   trigger: when to write one (default: after every epoch; always at the end)
    keep         how many of the newest checkpoints stay
    monitor      figure of an epoch by which the best one is kept as well, however seldom checkpoints are written;
                 ``monitor_mode`` is "max" or "min"
    snapshot_every   on Spark: after how many seconds (or when, a trigger) the executors keep a snapshot in memory, from
                 which training goes on when an executor, a Python worker or a peer is lost; None keeps none
    restarts     how often in a row training may be restarted without getting to another snapshot
    micro_batches   in how many parts, one after another, a task works through its share of a batch: less memory for
                 values, a gradient vector more for each part, the same weights bit for bit; at most V
    stragglers   on Spark: when a step goes on without the tasks that are late, optim.DropLate(0.25) or
                 optim.BackupTasks(1). The mean is over the rows that are there; what was skipped is counted in the
                 history and made up in the next epoch. Which tasks are late depends on the machines: no two runs then
                 have the same bits, nor do runs on different numbers of tasks
    memory_budget   on Spark: bytes of rows that each task holds in memory, the rest lies in files of the executor's
                 local folder (default: 40 % of what its machine has free, shared by the tasks there)
    steps_per_epoch   ends every epoch after so many batches of its order; the other rows wait for another epoch
    timeout      on Spark: seconds that a task waits for another one before that counts as lost (ten minutes in the
                 first steps, in which kernels are compiled)
    """

    def __init__(
        self,
        model: Module,
        loss: Loss,
        optimizer: Any,
        *,
        batch_size: int = 32,
        max_epochs: int | None = None,
        end: Callable[[Progress], bool] | None = None,
        validate: Callable[[Progress], bool] | None = None,
        seed: int = 0,
        shards: int = SHARDS,
        shuffle: bool = True,
        clip: Any = None,
        codec: str = "none",
        tasks: int | None = None,
        progress: bool = True,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_every: Callable[[Progress], bool] | None = None,
        keep: int = 3,
        monitor: str | None = None,
        monitor_mode: str = "max",
        snapshot_every: float | Callable[[Progress], bool] | None = 10.0,
        restarts: int = 3,
        timeout: float = 120.0,
        threads: int | None = None,
        micro_batches: int = 1,
        reshuffle: bool = False,
        stragglers: Any = None,
        layout: str | None = None,
        where: str = "cluster",
        callbacks: Sequence[Callback] = (),
        watch: bool | str | os.PathLike[str] | LivePage = False,
        memory_budget: int | None = None,
        steps_per_epoch: int | None = None,
    ) -> None:
        from sparkdl.optim import triggers

        if not isinstance(model, Module):
            raise TypeError(f"Trainer: model must be a sparkdl.nn.Module, got {type(model).__name__}.")
        if not isinstance(loss, Loss):
            raise TypeError(f"Trainer: loss must be a loss such as nn.NLLLoss(), got {loss!r}.")
        if not isinstance(optimizer, UpdateRule):
            raise TypeError(f"Trainer: optimizer must be an update rule such as optim.SGD(lr=0.1), got {optimizer!r}.")
        for name, trigger in (("end", end), ("validate", validate), ("checkpoint_every", checkpoint_every)):
            if not (trigger is None or callable(trigger)):
                raise TypeError(f"Trainer: {name} must be a trigger such as optim.max_epoch(5), got {trigger!r}.")
        if not isinstance(seed, int | np.integer):
            raise TypeError(f"Trainer: seed must be a whole number, got {seed!r}.")
        make_codec(codec)  # refuses unknown names
        for name, value in (
            ("batch_size", batch_size),
            ("shards", shards),
            ("tasks", tasks),
            ("threads", threads),
            ("max_epochs", max_epochs),
            ("micro_batches", micro_batches),
            ("memory_budget", memory_budget),
            ("steps_per_epoch", steps_per_epoch),
        ):
            if value is not None and not (isinstance(value, int | np.integer) and value >= 1):
                raise ValueError(f"Trainer: {name} must be a whole number >= 1, got {value!r}.")
        if max_epochs is not None and end is not None:
            raise ValueError("Trainer: give max_epochs or end, not both; end=optim.max_epoch(5) | ... combines them.")
        if tasks is not None and tasks > shards:
            raise ValueError(f"Trainer: {tasks} tasks need at least as many virtual shards; give shards={tasks}.")
        if micro_batches > shards:
            raise ValueError(f"Trainer: micro_batches={micro_batches} needs as many virtual shards, got {shards}.")
        if layout not in (None, "tasks", "threads", "auto"):
            raise ValueError(f'Trainer: layout must be "tasks", "threads" or "auto", got {layout!r}.')
        if layout is not None and (tasks is not None or threads is not None):
            raise ValueError(f"Trainer: layout={layout!r} chooses tasks and threads; give either.")
        if where not in ("cluster", "local", "auto"):
            raise ValueError(f'Trainer: where must be "cluster", "local" or "auto", got {where!r}.')
        if reshuffle and not shuffle:
            raise ValueError("Trainer: reshuffle=True deals rows anew, and shuffle=False keeps them where they are.")
        if not timeout > 0:
            raise ValueError(f"Trainer: timeout must be > 0 seconds, got {timeout!r}.")
        if not (snapshot_every is None or callable(snapshot_every) or snapshot_every > 0):
            raise ValueError(f"Trainer: snapshot_every must be seconds > 0, a trigger or None, got {snapshot_every!r}.")
        if not restarts >= 0:
            raise ValueError(f"Trainer: restarts must be >= 0, got {restarts!r}.")
        if optimizer.closure:
            raise UnsupportedError(f"{optimizer!r} evaluates the loss itself and trains here only: see optim.minimize.")
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.batch_size, self.seed, self.shards, self.shuffle = batch_size, seed, shards, shuffle
        self.epochs = max_epochs or 1  # as far as is known before
        self.end = end or triggers.max_epoch(1 if max_epochs is None else max_epochs)
        self.validate = validate or triggers.every_epoch()
        self.clip, self.codec, self.tasks, self.progress = clip, codec, tasks, progress
        self.checkpoint, self.checkpoint_every = checkpoint, checkpoint_every or triggers.every_epoch()
        self.keep, self.monitor, self.monitor_mode = keep, monitor, monitor_mode
        self.snapshot_every, self.restarts, self.timeout, self.threads = snapshot_every, restarts, timeout, threads
        self.micro_batches, self.memory_budget, self.reshuffle = micro_batches, memory_budget, bool(reshuffle)
        self.stragglers, self.layout, self.where = checked(stragglers), layout, where
        self.callbacks, self.page = checked_callbacks(callbacks), page_of(watch)
        self._explained: Any = None
        self.steps_per_epoch = steps_per_epoch
        self.history = History([])
        self._columns: dict[str, Any] = {}
        self._transform: Callable[..., Any] | None = None

    def fit(
        self,
        data: Any,
        *,
        features: Any = None,
        label: Any = None,
        weight: Any = None,
        order_by: Any = None,
        validation: Any = None,
        metrics: Sequence[Any] = (),
        train_metrics: Sequence[Any] = (),
        transform: Callable[..., Any] | None = None,
        resume: str | os.PathLike[str] | Snapshot | None = None,
        on_epoch: Callable[[Progress, dict[str, Any]], None] | None = None,
        on_step: Callable[[Progress, dict[str, Any]], None] | None = None,
        handover: bool = False,
    ) -> History:
        """Trains on ``data`` and returns the history; the trained weights are in ``self.model``.

        data        ``(x, y)`` or ``(x, y, weight)`` arrays: trained here, without Spark or Java. Or a Spark DataFrame:
                    trained by its session's executors
        features, label, weight   the DataFrame's columns (a name, a list of names for several inputs; for binary
                    columns ``{"image": (28, 28)}`` name and shape)
        order_by    columns that put the rows in order, in place of a hash of their content
        validation  data of the same kind, looked at whenever ``validate`` fires
        metrics     what to compute on it (default: the mean loss)
        train_metrics   what to compute on the rows of each epoch as they are trained on; names apart from ``metrics``
        transform   ``transform(inputs, batch) -> inputs``, applied to every batch (see data.transforms); it draws at
                    random in training only, by sample and epoch, and stays for ``evaluate``
        resume      folder of checkpoints: go on from the newest intact one, with the same data and settings, to the
                    weights that an uninterrupted run would have; an empty folder starts from the beginning
                    Or what a call with ``handover`` left in ``history.state``
        on_epoch    ``on_epoch(progress, line)`` is called with each epoch's line of the history. For arrays the model
                    holds the epoch's weights then; on a DataFrame the driver hears of an epoch while tasks go on
        on_step     the same after every step, for arrays: ``{"step": done, "steps": of so many, "loss": so far}``
        handover    whether ``history.state`` shall hold the end of this run, for another call to go on from
        """
        self._transform = transform
        job = replace(
            self.job(metrics), train_metrics=self.job(train_metrics).metrics if train_metrics else (), handover=handover
        )
        self.check_names(job, validation is not None)
        frame = is_dataframe(data)
        if validation is not None and is_dataframe(validation) != frame:
            raise DataError(
                f"validation must be of the same kind as the training data, arrays or a DataFrame; got "
                f"{type(data).__name__} to train on and {type(validation).__name__} to validate on."
            )
        features = in_models_order(self.model, features)
        columns = {"features": features, "label": label, "weight": weight, "order_by": order_by}
        if frame and self.where == "auto":
            self.explain(data, **columns, transform=transform)
        explained, self._explained = self._explained, None
        where = self.where if frame else "local"
        if where == "auto":
            where = explained.choice
        here = where == "local"
        if on_step is not None and frame:
            raise UnsupportedError("on_step: steps on a DataFrame are the executors'; on_epoch tells of epochs.")
        written = self.written(resume, here)
        given = resume if isinstance(resume, Snapshot) else None
        found = None if resume is None or isinstance(resume, Snapshot) else self.checkpoints(resume, here)
        if frame:
            self._columns = columns
        begin = found.newest() if here and found is not None else given
        with alone(self.model), self.told(job, on_epoch, spark=not here) as told:
            job = told.asks(job)
            if here and frame:
                from sparkdl.optim.cluster.here import fit_frame_here

                self.history = fit_frame_here(job, data, columns, validation, told, written, begin)
            elif here:
                from sparkdl.optim.local import fit_arrays

                self.history = fit_arrays(job, data, validation, order_by, told, written, begin, on_step)
            else:
                from sparkdl.optim.cluster.fit import fit_frame

                read_here = found is not None and isinstance(found.files, LocalFiles)
                self.history = fit_frame(
                    job, data, columns, validation, self.tasks, told, written,
                    given or (found.newest() if found is not None and read_here else found), self.restarts, self.layout,
                )  # fmt: skip
            told.history = self.history
        if explained is not None:
            self._compare(explained, where)
        return self.history

    def told(
        self, job: Job, on_epoch: Callable[[Progress, dict[str, Any]], None] | None = None, spark: bool = False
    ) -> Callbacks:
        """Who hears of a training run: the bar, the callbacks and the live page."""
        each = [*([Bar()] if self.progress else []), *([OnEpoch(on_epoch)] if on_epoch is not None else [])]
        run = {
            "model": self.model, "loss": self.loss, "optimizer": self.optimizer, "batch_size": self.batch_size,
            "seed": self.seed, "shards": self.shards, "spark": spark,
            "metrics": [metric.name for metric in job.metrics],
        }  # fmt: skip
        return Callbacks([*each, *self.callbacks, *([] if self.page is None else [self.page])], run)

    def explain(
        self,
        data: Any,
        *,
        features: Any = None,
        label: Any = None,
        weight: Any = None,
        order_by: Any = None,
        transform: Callable[..., Any] | None = None,
    ) -> Explanation:
        """A dry run: memory per worker, bytes per step, seconds per step and epoch for 1 to 64 workers and for this
        process, and where training would be the faster. ``print`` it.

        It counts the rows and tries a few steps of a copy of the model on some of them (for a DataFrame, in one task of
        its executors). After the next ``fit``, predicted stands against measured in ``history.predicted``, and is
        printed where ``progress`` is.
        """
        self._transform = transform
        job = self.job(())
        if is_dataframe(data):
            from sparkdl.optim.cluster.trial import explain_frame

            features = in_models_order(self.model, features)
            columns = {"features": features, "label": label, "weight": weight, "order_by": order_by}
            self._explained = explain_frame(job, data, columns, self.tasks, self.epochs)
        else:
            from sparkdl.optim.local import explain_arrays

            self._explained = explain_arrays(job, data, self.epochs)
        return self._explained

    def _compare(self, explained: Explanation, where: str) -> None:
        from sparkdl.optim.explain import compare

        if self.history.visits["rows"] != explained.rows:
            return  # it was of other data
        self.history.predicted = self.history.costs.predicted = compare(explained, where, self.history)
        if self.progress:
            print(self.history.costs.prediction(), file=sys.stderr)

    def evaluate(
        self, data: Any, *, features: Any = None, label: Any = None, weight: Any = None, metrics: Sequence[Any] = ()
    ) -> dict[str, Any]:
        """``{metric name: value}`` over ``data``, in the order of ``metrics``; columns default to those of ``fit``."""
        job = self.job(metrics)
        if is_dataframe(data):
            from sparkdl.optim.cluster.fit import evaluate_frame

            given = {"features": in_models_order(self.model, features), "label": label, "weight": weight}
            columns = {k: self._columns.get(k) if v is None else v for k, v in given.items()}
            return evaluate_frame(job, data, columns, self.tasks)
        from sparkdl.optim.local import evaluate_arrays

        return evaluate_arrays(job, data)

    def check_names(self, job: Job, validated: bool) -> None:
        """Every figure that a trigger or schedule looks at must be there, else it would silently never fire."""
        names = [metric.name for metric in (*job.metrics, *job.train_metrics)]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"Trainer: several metrics are called {', '.join(sorted(twice))}; give them name=.")
        known = {"loss", *(metric.name for metric in job.train_metrics)}
        known |= {metric.name for metric in job.metrics} if validated else set()
        if self.checkpoint is not None and self.monitor is not None and self.monitor not in known:
            raise ValueError(
                f"Trainer: monitor={self.monitor!r} is not measured; measured are {', '.join(sorted(known))}. Give "
                "validation= data and the metric in metrics=."
            )
        for looker in (self.end, *self.optimizer.schedules()):
            for name in sorted(looker.monitors() - known if hasattr(looker, "monitors") else ()):
                raise ValueError(
                    f"{looker!r} looks at {name!r}, which is not measured; measured are {', '.join(sorted(known))}. "
                    "Give validation= data and the metric in metrics=."
                )

    def checkpoints(self, where: str | os.PathLike[str], here: bool = True) -> Checkpoints:
        """The checkpoints in a folder, as this trainer keeps them; for this process, or for tasks of Spark."""
        from sparkdl.optim.checkpoint.hadoop import files_at

        return Checkpoints(files_at(os.fspath(where), here), self.keep, self.monitor, self.monitor_mode)

    def written(self, resume: Any = None, here: bool = True) -> Checkpoints | None:
        """Where this trainer's own checkpoints go, if anywhere, in a run that goes on from ``resume``."""
        if self.checkpoint is None:
            return None
        written = self.checkpoints(self.checkpoint, here)
        # a state that was handed over may go on in the folder of its first part
        written.ours = isinstance(resume, Snapshot) or (resume is not None and _same(self.checkpoint, resume))
        return written

    def _checkpoint_due(self) -> Callable[[Progress], bool]:
        if self.monitor is None:
            return self.checkpoint_every
        return with_best(self.checkpoint_every, self.monitor, self.monitor_mode)

    def job(self, metrics: Sequence[Any]) -> Job:
        """This trainer's settings as the loop takes them."""
        from sparkdl.optim.metrics.loss import Loss as LossMetric

        for metric in metrics or ():
            if isinstance(metric, type) or not hasattr(metric, "update"):
                raise TypeError(f"Trainer: metrics are objects such as optim.Top1Accuracy(), got {metric!r}.")
        return Job(
            model=self.model,
            loss=self.loss,
            rule=self.optimizer,
            batch_size=int(self.batch_size),
            end=self.end,
            validate=self.validate,
            metrics=tuple(m.of(self.loss) if isinstance(m, LossMetric) else m for m in metrics or (LossMetric(),)),
            seed=int(self.seed),
            shards=int(self.shards),
            shuffle=self.shuffle,
            reshuffle=self.reshuffle,
            stragglers=self.stragglers,
            clip=self.clip,
            codec=self.codec,
            transform=self._transform,
            checkpoint=None if self.checkpoint is None else self._checkpoint_due(),
            snapshot=self.snapshot_every,
            timeout=float(self.timeout),
            threads=self.threads,
            micro_batches=int(self.micro_batches),
            memory_budget=self.memory_budget,
            steps_per_epoch=self.steps_per_epoch,
        )


def page_of(watch: Any) -> LivePage | None:
    """The live page that ``watch=`` asks for."""
    if watch is False or watch is None:
        return None
    from sparkdl.optim.watch.page import LivePage

    if watch is True:
        return LivePage()
    if isinstance(watch, str | os.PathLike):
        return LivePage(watch)
    if not isinstance(watch, LivePage):
        raise TypeError(f"Trainer: watch must be True, False, a file's name or optim.LivePage(...), got {watch!r}.")
    return watch


def is_dataframe(data: Any) -> bool:
    """Whether ``data`` is a Spark DataFrame, classic or Connect, without importing pyspark."""
    return any(cls.__module__.startswith("pyspark.sql") and cls.__name__ == "DataFrame" for cls in type(data).__mro__)


def _same(one: Any, other: Any) -> bool:
    """Whether two paths, or URIs, mean one folder."""
    return os.path.abspath(os.fspath(one)) == os.path.abspath(os.fspath(other))
