"""A model on its way to the executors: packed and broadcast once, unpacked once per Python worker."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from sparkdl.nn.module import Module

_KEPT = 4  # models that a Python worker keeps for its next tasks
_models: OrderedDict[str, Module] = OrderedDict()
_sent: dict[str, OrderedDict[str, Shipped]] = {}  # in the driver, by application


@dataclass(frozen=True)
class Held:
    """Bytes that travel with the function itself, where there are no broadcast variables (Spark Connect)."""

    value: bytes


@dataclass(frozen=True)
class Shipped:
    """``data.value`` is the packed model, ``key`` its hash."""

    key: str
    data: Any

    def model(self) -> Module:
        """The model, in a worker."""
        if self.key not in _models:
            from pyspark import cloudpickle

            from sparkdl.nn.kernels.choice import take

            model, choices = cloudpickle.loads(self.data.value)
            take(choices)
            _models[self.key] = model
            while len(_models) > _KEPT:
                _models.popitem(last=False)
        _models.move_to_end(self.key)
        return _models[self.key]


def ship(spark: Any, model: Module) -> Shipped:
    """The model's broadcast; one of the same weights, in the same Spark application, serves again."""
    from pyspark import cloudpickle

    from sparkdl.nn.kernels.choice import in_force

    data = cloudpickle.dumps((model, in_force()))
    key = hashlib.sha256(data).hexdigest()
    if not hasattr(spark, "_jsparkSession"):
        return Shipped(key, Held(data))
    context = spark.sparkContext
    sent = _sent.setdefault(context.applicationId, OrderedDict())
    if key not in sent:
        sent[key] = Shipped(key, context.broadcast(data))
        while len(sent) > _KEPT:
            sent.popitem(last=False)
    return sent[key]
