"""Deep learning inside Apache Spark: nets compiled with Numba, trained as Spark tasks via Spark's block manager."""

from sparkdl._lazy import attach

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = attach(
    __name__,
    {"nn": [], "optim": [], "data": [], "blockmanager": [], "ml": [], "importers": [], "keras": [], "models": []},
)
