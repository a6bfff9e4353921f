"""What is to be trained, and how: all that a task needs to know, in one plain object."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sparkdl.nn.losses.loss import Loss
from sparkdl.nn.module import Module
from sparkdl.optim.progress import Progress
from sparkdl.optim.stragglers import Stragglers


@dataclass
class Job:
    """One training run.

    ``batch_size`` is global; ``end`` says when to stop, ``validate`` when to look at the validation data;
    ``shards`` is V, the number of virtual shards; ``report_every`` is the least time in seconds between two reports;
    ``checkpoint`` says when to write one, ``snapshot`` when to keep one in the block managers: every so many seconds,
    or a trigger; ``transform(inputs, batch)`` changes the inputs of every batch; ``timeout`` is how many seconds a task
    waits for another one, ``threads`` how many its kernels use on Spark (None: ``spark.task.cpus``);
    ``reshuffle`` whether all rows are dealt anew in every epoch; ``micro_batches`` is in how many parts a task works
    through its share of a batch; ``stragglers`` says when a step goes on without the tasks that are late;
    ``memory_budget`` is how many bytes of rows a task holds in memory.
    ``watched``: whether the driver wants to hear from every task, not from the first one only; ``histograms``: after
    every how many steps weights and gradients are counted into histograms (None: never).
    ``train_metrics`` are figures of the rows as they are trained on; ``steps_per_epoch`` ends epochs early;
    ``handover``: whether the driver gets a snapshot of the end, to go on from; ``choices``: the ways of kernels that
    were timed in the driver (``SPARKDL_TIMED=1``), for all tasks.
    """

    model: Module
    loss: Loss
    rule: Any
    batch_size: int
    end: Callable[[Progress], bool]
    validate: Callable[[Progress], bool]
    metrics: tuple[Any, ...] = ()
    seed: int = 0
    shards: int = 8
    shuffle: bool = True
    reshuffle: bool = False
    clip: Any = None
    codec: str = "none"
    report_every: float = 0.2
    checkpoint: Callable[[Progress], bool] | None = None
    snapshot: float | Callable[[Progress], bool] | None = None
    timeout: float = 120.0
    threads: int | None = None
    micro_batches: int = 1
    stragglers: Stragglers | None = None
    memory_budget: int | None = None
    transform: Callable[..., Any] | None = None
    watched: bool = False
    histograms: int | None = None
    train_metrics: tuple[Any, ...] = ()
    steps_per_epoch: int | None = None
    handover: bool = False
    choices: dict[str, str] = field(default_factory=dict)
