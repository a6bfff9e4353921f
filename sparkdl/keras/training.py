"""One call of ``fit``: the Trainer's run with Keras's counting and callbacks, and what it leaves to the next call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sparkdl import optim
from sparkdl.keras.callback import Callback, History, TerminateOnNaN
from sparkdl.keras.inputs import Inputs
from sparkdl.keras.listeners import Listeners
from sparkdl.keras.names import renamed
from sparkdl.keras.steering import (
    EarlyStopping,
    LearningRateScheduler,
    ReduceLROnPlateau,
    rate_after,
    validate_at,
)
from sparkdl.nn.module import Module
from sparkdl.optim.best import BestWeights
from sparkdl.optim.checkpoint.snapshot import Epoch, Snapshot
from sparkdl.optim.progress import Progress

if TYPE_CHECKING:
    from sparkdl.keras.model import Model


@dataclass
class Carried:
    """What a ``fit`` leaves to the next: the optimizer's state and the counts of steps and epochs."""

    snapshot: Snapshot | None = None
    parameters: tuple[Any, ...] = ()

    def begin(self, module: Module) -> Snapshot | None:
        """Where the next run begins, with the weights that the model has now; None: at the beginning."""
        if self.snapshot is None:
            return None
        if self.parameters != trainable(module):
            raise RuntimeError("what is to be trained has changed since the last fit: compile the model again.")
        progress = self.snapshot.progress
        begun = Progress(progress.epoch + bool(self.snapshot.epoch.step), progress.iteration, samples=progress.samples)
        rule = {name: array for name, array in self.snapshot.arrays.items() if name.startswith("rule/")}
        return Snapshot(begun, Epoch(), {}, {**rule, **weights_of(module)})


class Fit:
    """A run over ``given`` data for the epochs ``first`` up to ``epochs``."""

    def __init__(
        self, model: Model, given: Inputs, told: Sequence[Callback], first: int, epochs: int, freq: Any, spark: bool
    ) -> None:
        self.model, self.first, self.spark = model, first, spark
        self.data, self.held_out, self.columns = given
        self.history = History()
        self.told = [*told, self.history]
        self.begin = model._carried.begin(model.module)
        done = self.begin.progress.epoch if self.begin is not None else 0
        self.epochs, self.shift = epochs, first - done
        early = [each.trigger(first) for each in told if isinstance(each, EarlyStopping)]
        self.end = optim.or_(optim.max_epoch(done + epochs - first), *early)
        self.rates = [
            each.schedule(first, self.shift)
            for each in told
            if isinstance(each, ReduceLROnPlateau | LearningRateScheduler)
        ]
        self.validate = validate_at(freq, self.shift)

    def run(self, options: dict[str, Any]) -> History:
        """Trains, and tells the callbacks."""
        model = self.model
        held_out = self.held_out is not None
        measured = [optim.Loss(name="loss"), *model.metrics]
        params = {
            "epochs": self.epochs, "batch_size": options["batch_size"], "distributed": self.spark,
            "metrics": [m.name for m in measured] + ["val_" + m.name for m in measured if held_out],
        }  # fmt: skip
        model.stop_training = False
        listeners = Listeners(self.told, model, self.first, params, self._over)
        trainer = model._trainer(**options, validate=self.validate, end=self._end(), optimizer=self._rule())
        if self.begin is None:
            trainer.seed += self.first  # rows come in another order than in a first fit
        fit = {
            "validation": self.held_out, "metrics": [renamed(each, "val_") for each in measured],
            "train_metrics": model.metrics, "handover": True, **self.columns,
        }  # fmt: skip
        trainer.check_names(replace(trainer.job(fit["metrics"]), train_metrics=tuple(model.metrics)), held_out)
        listeners.begin()
        try:
            self._train(trainer, fit, listeners)
        except FloatingPointError as error:
            if not any(isinstance(each, TerminateOnNaN) for each in self.told):
                raise
            print(f"fit: training ends, {error}")
            model._carried = Carried()
        listeners.end()
        return self.history

    def _train(self, trainer: optim.Trainer, fit: dict[str, Any], listeners: Listeners) -> None:
        model, waits = self.model, self.spark and any(each.waits for each in self.told)
        if waits:
            found = self._epoch_by_epoch(trainer, fit, listeners)
        else:
            on_step = listeners.on_step if listeners.batches else None
            found = trainer.fit(self.data, resume=self.begin, on_epoch=listeners.on_epoch, on_step=on_step, **fit)
        state, found.state = found.state, None
        self.history.trainer = found
        model._carried = Carried(state, trainable(model.module))
        rule = model.optimizer
        assert rule is not None
        if self.rates and not _rate_schedule(rule):
            model.optimizer = type(rule)(**{**rule.arguments(), "lr": rate_after(self.rates, rule.lr, state.progress)})

    def _epoch_by_epoch(self, trainer: optim.Trainer, fit: dict[str, Any], listeners: Listeners) -> optim.History:
        """A stage for every epoch, each from where the one before ended; between them the callbacks have the model."""
        module, state = self.model.module, self.begin
        while True:
            done = 0 if state is None else state.progress.epoch
            trainer.end = optim.or_(self.end, optim.max_epoch(done + 1))
            found = trainer.fit(self.data, resume=state, **fit)
            state = found.state
            module.load_state_dict(state.part("model"))
            listeners.on_epoch(state.progress, found[-1])
            if self._over(state.progress):
                break
            state.arrays.update(weights_of(module))  # a callback may have changed them
        best = BestWeights(self.end)
        best.arrays = state.part("best")
        best.restore(module)
        return found

    def _over(self, progress: Progress) -> bool:
        return self.end(progress) or self.model.stop_training

    def _end(self) -> Any:
        """For arrays also what callbacks say while training goes on."""
        return self.end if self.spark else optim.or_(self.end, lambda progress: self.model.stop_training)

    def _rule(self) -> optim.UpdateRule:
        """The optimizer with the schedules of callbacks, behind its own."""
        rule = self.model.optimizer
        assert rule is not None
        if not self.rates:
            return rule
        own = _rate_schedule(rule)
        chain = [own, *self.rates] if own else self.rates
        others = rule.schedule if isinstance(rule.schedule, dict) else {}
        schedule = {**others, "lr": chain[0] if len(chain) == 1 else optim.ChainedLR(*chain)}
        return type(rule)(**{**rule.arguments(), "schedule": schedule})


def _rate_schedule(rule: optim.UpdateRule) -> Any:
    return rule.schedule.get("lr") if isinstance(rule.schedule, dict) else rule.schedule


def trainable(module: Module) -> tuple[Any, ...]:
    """Names and shapes of the parameters that are trained."""
    return tuple((name, p.shape) for name, p in module.named_parameters() if p.trainable)


def weights_of(module: Module) -> dict[str, Any]:
    """The model's weights and buffers as a snapshot has them."""
    return {f"model/{name}": array for name, array in module.state_dict().items()}
