"""Training in Keras's words: ``compile``, ``fit``, ``evaluate``, ``predict``, callbacks and a history.

A face over ``sparkdl.optim.Trainer``, for arrays and for Spark DataFrames: same loop, same numbers.
"""

from sparkdl._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "callbacks": [],
        "model": ["Model", "Sequential"],
        "callback": ["Callback", "CSVLogger", "History", "LambdaCallback", "TerminateOnNaN"],
        "model_checkpoint": ["ModelCheckpoint"],
        "steering": ["EarlyStopping", "LearningRateScheduler", "ReduceLROnPlateau"],
    },
)
