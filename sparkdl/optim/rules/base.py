"""What every update rule shares: options, groups, schedules, and the walk over the runs of a slice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from sparkdl.errors import UnsupportedError
from sparkdl.kernel import num_threads
from sparkdl.optim import checks
from sparkdl.optim.config import Configured, from_config
from sparkdl.optim.groups import assign, group_rules
from sparkdl.optim.progress import Progress
from sparkdl.optim.regularizers import Regularizer
from sparkdl.optim.segments import FlatSegment, Run, Segment, runs_of

LRSchedule = Callable[[float, Progress], float]


class UpdateRule(Configured):
    """Changes weights in place, given their gradient. It sees vectors only, never a layer, never Spark.

    A rule names its state vectors in ``slots`` and defines `apply` for one run of elements with one set of options.
    What it does to an element depends on that element's own weight, gradient and state (and, for rules with
    ``norms``, on norms of the whole parameter), so the result is the same however the flat vector is cut.

    Every rule takes, besides its own hyper-parameters,

    schedule     ``schedule(lr, progress) -> lr``, or a dict of them by name: ``{"lr": ..., "momentum": ...}``
    regularizer  `L1`, `L2` or `L1L2`: its penalty is counted in the loss, its slope in the gradient
    groups       ``{pattern: options or rule}``: parameters whose name matches (shell wildcards; the first match counts)
                 get these options in place of the rule's own, or are updated by a rule of their own with its own
                 schedule: ``SGD(lr=0.1, groups={"*.bias": {"weight_decay": 0}, "head.*": Adam(lr=1e-3)})``
    """

    slots: tuple[str, ...] = ()  # state vectors, each as long as the slice
    norms: tuple[str, ...] = ()  # of "weight", "grad": which norms of each whole parameter `apply` finds in s.norms
    closure: ClassVar[bool] = False  # whether it evaluates the loss itself, several times a step (L-BFGS)

    def __init__(
        self,
        lr: float,
        schedule: Any = None,
        regularizer: Regularizer | None = None,
        groups: Mapping[str, Any] | None = None,
    ) -> None:
        self.lr, self.schedule, self.regularizer, self.groups = lr, schedule, regularizer, groups
        checks.not_negative(self, lr=lr)
        self._schedules: Mapping[str, LRSchedule] = (
            {} if schedule is None else schedule if isinstance(schedule, Mapping) else {"lr": schedule}
        )
        self._options = {k: v for k, v in self.arguments().items() if k not in ("schedule", "groups")}
        for name, one in self._schedules.items():
            if name not in self._options or not callable(one):
                raise ValueError(
                    f"{type(self).__name__}: schedule for {name!r} is {one!r}; expected functions "
                    f"(value, progress) -> value for some of {', '.join(self._options)}."
                )
        self.group_rules = group_rules(self, groups or {})
        rules = [rule for _, rule in self.group_rules]
        if any(rule.closure for rule in rules):
            raise UnsupportedError(
                f"{type(self).__name__}: L-BFGS updates a model as a whole, not a group of parameters."
            )
        self.slots = tuple(dict.fromkeys(slot for rule in (self, *rules) for slot in rule.slots))
        self.norms = tuple(dict.fromkeys(norm for rule in (self, *rules) for norm in rule.norms))
        self.regularized = any(rule.regularizer is not None for rule in (self, *rules))
        self._runs: dict[tuple[int, int, int, bool], tuple[Sequence[FlatSegment], list[Run]]] = {}

    # -- for those who write a rule --------------------------------------------------------------------------------
    def apply(self, w: np.ndarray, g: np.ndarray, state: Mapping[str, np.ndarray], step: int, s: Segment) -> None:
        """One step on one run, in place: ``w``, ``g`` and the vectors of ``state`` are the run's own elements.

        ``step`` counts from 1; state starts as zeros; ``s.lr`` and ``s.options`` are the values for this step.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no apply(w, g, state, step, s).")

    def prepare_run(self, w: np.ndarray, g: np.ndarray, state: Mapping[str, np.ndarray], step: int, s: Segment) -> None:
        """What a rule with ``norms`` does before they are taken: it may overwrite ``g``, whose norm is then taken."""

    # -- for those who use one -------------------------------------------------------------------------------------
    def segments(
        self,
        flat: Sequence[FlatSegment],
        start: int,
        stop: int,
        progress: Progress | None = None,
        apart: bool = False,
    ) -> list[Segment]:
        """The runs of slice ``start`` to ``stop`` of the flat vector and their options at ``progress``.

        ``flat`` lists all trainable parameters of the model. Neighbours with equal options are one run, unless the rule
        needs norms or they shall stay ``apart``.
        """
        progress = progress or Progress()
        apart = apart or bool(self.norms)
        key = (id(flat), start, stop, apart)
        if key not in self._runs or self._runs[key][0] is not flat:
            self._runs[key] = (flat, runs_of(assign(self, flat), flat, start, stop, apart))
        options = {id(rule): rule.options(progress) for rule in (self, *(rule for _, rule in self.group_rules))}
        return [Segment(r.rule, r.name, r.span, (o := options[id(r.rule)])["lr"], o) for r in self._runs[key][1]]

    def schedules(self) -> list[LRSchedule]:
        """Its own schedules and those of its groups."""
        rules = (self, *(rule for _, rule in self.group_rules))
        return [schedule for rule in rules for schedule in rule._schedules.values()]

    def options(self, progress: Progress) -> dict[str, Any]:
        """Every hyper-parameter by name, after schedules."""
        return {**self._options, **{k: f(self._options[k], progress) for k, f in self._schedules.items()}}

    def prepare(
        self, w: np.ndarray, g: np.ndarray, state: Mapping[str, np.ndarray], step: int, segments: Sequence[Segment]
    ) -> None:
        """To be called before norms are taken, for rules with ``norms``; may overwrite ``g`` (LAMB)."""
        for s in segments:
            s.rule.prepare_run(w[s.span], g[s.span], {k: v[s.span] for k, v in state.items()}, step, s)

    def update(
        self, w: np.ndarray, g: np.ndarray, state: Mapping[str, np.ndarray], step: int, segments: Sequence[Segment]
    ) -> None:
        """One step on a slice, in place: mean gradient ``g``, ``state[slot]`` as long as the slice, ``step`` from 1."""
        for s in segments:
            s.rule.apply(w[s.span], g[s.span], {k: v[s.span] for k, v in state.items()}, step, s)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_runs": {}}


def parts_of(size: int) -> int:
    """Over how many threads the elements of a run are dealt out."""
    return max(1, min(num_threads(), size >> 15))


def rule_from_config(config: Mapping[str, Any], known: Mapping[str, type] | None = None) -> UpdateRule:
    """The rule that ``rule.config()`` described; ``known`` names classes of your own (``{"Name": Class}``)."""
    rule = from_config(config, known)
    if not isinstance(rule, UpdateRule):
        raise ValueError(f"{type(rule).__name__} is not an update rule.")
    return rule
