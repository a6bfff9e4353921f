"""The training loop: one for arrays in this process and for tasks of a Spark job.

A step: take this task's share of the global batch, run it forwards and backwards, hand gradients and summed loss to
the exchange, which leaves the new weights in place. All that decides how training goes on (the loss, validation
figures, triggers) is the same on every task, so tasks never have to ask each other what to do next.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from sparkdl.blockmanager.store import BlockStore
from sparkdl.data.feed import Feed, Rows
from sparkdl.data.order import Batch, EpochPlan, Visits
from sparkdl.errors import DataError
from sparkdl.nn.context import Context, Run
from sparkdl.nn.flat import Flat
from sparkdl.nn.plan import Planned
from sparkdl.optim.evaluate import evaluate
from sparkdl.optim.exchange.base import Exchange
from sparkdl.optim.exchange.member import Member
from sparkdl.optim.job import Job
from sparkdl.optim.progress import Progress
from sparkdl.tree import fold

Report = Callable[[Progress, dict[str, Any]], None]


class Loop:
    """One task's part in a training run.

    ``exchange`` sums gradients over the tasks and applies the rule; ``member`` says which of them this is;
    ``report(progress, figures)`` is called now and then, and after every epoch.
    """

    def __init__(
        self,
        job: Job,
        feed: Feed,
        exchange: Exchange,
        member: Member,
        store: BlockStore | None = None,
        validation: Feed | None = None,
        report: Report | None = None,
    ) -> None:
        self.job, self.feed, self.member, self.validation, self.exchange = job, feed, member, validation, exchange
        self.report = report or (lambda progress, figures: None)
        self.model = job.model.train()
        self.flat = Flat(self.model)
        self.planned = Planned(self.model)
        self.visits = Visits(len(feed))
        self.progress = job.start
        exchange.bind(member, store, self.flat.weights[: self.flat.trainable], self.flat.segments, job.rule)
        self.flat.move(exchange.weights, exchange.grads)
        self.counts = self._all_counts()

    def _all_counts(self) -> np.ndarray:
        """Rows of each of the V shards, over all tasks."""
        mine = np.zeros((len(self.member.subtrees), self.member.shards))
        mine[0, self.feed.first : self.feed.last] = self.feed.counts
        counts = self.exchange.merge(mine).astype(np.int64)
        if not counts.sum():
            raise DataError("there are no rows to train on.")
        return counts

    def run(self) -> Progress:
        """Trains until the job's end; the weights are in the model then."""
        history = list(self.progress.history)
        while not self.job.end(self.progress):
            history.append(self._epoch(history))
            self.progress = replace(self.progress, history=tuple(history))
            self.report(self.progress, history[-1])
            if not self.progress.epoch_ended:
                break
        self.exchange.finish()
        return self.progress

    def _epoch(self, history: list[dict[str, Any]]) -> dict[str, Any]:
        job, began = self.job, time.perf_counter()
        epoch, seconds = self.progress.epoch, self.progress.seconds
        plan = EpochPlan(self.counts, job.batch_size, job.seed, epoch, job.shuffle)
        self.visits.reset()
        loss_sum = weight_sum = 0.0
        samples, reported, figures = 0, began, dict[str, Any]()
        for step in range(plan.steps):
            batch = plan.batch(step, self.feed.first, self.feed.last)
            loss, weight = self._step(batch)
            loss_sum, weight_sum, samples = loss_sum + loss, weight_sum + weight, samples + batch.size
            now = time.perf_counter()
            ended = step + 1 == plan.steps
            self.progress = Progress(
                epoch=epoch + ended,
                iteration=self.progress.iteration + 1,
                epoch_ended=ended,
                samples=self.progress.samples + batch.size,
                seconds=seconds + now - began,
                loss=loss / weight if weight else math.nan,
                history=self.progress.history,
            )
            if ended:
                figures = self._line(loss_sum, weight_sum, samples, time.perf_counter() - began)
                self.progress = replace(self.progress, history=(*history, figures))
            if self.validation is not None and job.validate(self.progress):
                figures.update(self._validate())
                if ended:
                    self.progress = replace(self.progress, history=(*history, figures))
            if now - reported >= job.report_every:
                reported = now
                self.report(self.progress, {"steps": plan.steps, "step": step + 1})
            if not ended and job.end(self.progress):
                break
        return {**self._line(loss_sum, weight_sum, samples, time.perf_counter() - began), **figures}

    def _line(self, loss: float, weight: float, samples: int, seconds: float) -> dict[str, Any]:
        p = self.progress
        return {
            "epoch": p.epoch,
            "iteration": p.iteration,
            "loss": loss / weight if weight else math.nan,
            "samples": samples,
            "seconds": seconds,
            "lr": self.job.rule.options(p)["lr"],
        }

    def _step(self, batch: Batch) -> tuple[float, float]:
        rows = self.feed.rows(batch)
        self.visits.add(batch)
        loss, weight = self._gradients(batch, rows)
        iteration = self.progress.iteration + 1
        header = np.stack([loss, weight], axis=1)
        leaves = {(self.feed.first + i, self.feed.first + i + 1): header[i] for i in range(len(header))}
        header = np.stack([fold(leaves, np.add, a, b) for a, b in self.member.subtrees])
        total = self.exchange.step(self.exchange.grads, header, iteration, self.progress)
        if not math.isfinite(total[0]):
            self._explain_loss(iteration)
        return float(total[0]), float(total[1])

    def _gradients(self, batch: Batch, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
        """Fills the gradient vectors; summed loss and weight per leaf."""
        job = self.job
        run = Run(
            training=True,
            seed=job.seed,
            step=self.progress.iteration,
            rows=batch.rows,
            bounds=batch.bounds,
            first=self.feed.first,
            shards=self.member.shards,
            merge_tasks=self.exchange.merge,
            grads=self.flat.by_parameter,
        )
        self.flat.clear()
        done = self.planned.forward(rows.inputs, run)
        y = done.outputs[0] if len(done.outputs) == 1 else tuple(done.outputs)
        ctx = Context(run, 0, True, (True,), self.flat.dtype)
        loss, weight = job.loss.forward(y, rows.target, rows.weight, ctx)
        dy = job.loss.backward(ctx)
        done.backward(list(dy) if isinstance(dy, tuple) else [dy])
        self.flat.settle()
        return (loss if run.penalty is None else loss + run.penalty), weight

    def _validate(self) -> dict[str, Any]:
        assert self.validation is not None
        return evaluate(self.model, self.validation, self.job.metrics, self.exchange, self.member.shards)

    def _explain_loss(self, iteration: int) -> None:
        bad = [s.name for s in self.flat.segments if not np.isfinite(self.flat.weights[s.start : s.stop]).all()]
        raise FloatingPointError(
            f"the loss is not finite at step {iteration}; weights that are not: {bad or 'none'}. "
            "Lower the learning rate, clip the gradients (clip=), or look for NaN in the data."
        )
