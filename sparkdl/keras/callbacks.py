"""All callbacks under the name of Keras's module: ``keras.callbacks.EarlyStopping`` and so on."""

from sparkdl.keras.callback import Callback, CSVLogger, History, LambdaCallback, TerminateOnNaN
from sparkdl.keras.model_checkpoint import ModelCheckpoint
from sparkdl.keras.steering import EarlyStopping, LearningRateScheduler, ReduceLROnPlateau

__all__ = [
    "CSVLogger",
    "Callback",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ReduceLROnPlateau",
    "TerminateOnNaN",
]
