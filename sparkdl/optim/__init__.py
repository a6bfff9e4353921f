"""How weights change: update rules, schedules, triggers, metrics, and the training loop on one machine or on Spark."""

from sparkdl._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "trainer": ["Trainer"],
        "history": ["History"],
        "progress": ["Progress"],
        "config": ["from_config"],
        # update rules
        "rules.base": ["UpdateRule", "rule_from_config"],
        "rules.sgd": ["SGD"],
        "rules.adam": ["Adam"],
        "rules.adamw": ["AdamW"],
        # triggers
        "triggers": [
            "Trigger",
            "and_",
            "early_stopping",
            "every_epoch",
            "max_epoch",
            "max_iteration",
            "max_score",
            "min_loss",
            "or_",
            "several_iteration",
            "wall_clock",
        ],
        # metrics
        "metrics.base": ["Metric", "RowMetric", "SumMetric"],
        "metrics.accuracy": ["BinaryAccuracy", "CategoricalAccuracy", "Top1Accuracy", "TopK", "TreeNNAccuracy"],
        "metrics.loss": ["Loss"],
    },
)
