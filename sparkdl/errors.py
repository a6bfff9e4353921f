"""Every exception of the library.

SparkDLError
├── ShapeError (ValueError)        an array of the wrong shape or dtype
├── DataError (ValueError)         a column, row or file that cannot be used; names the first offender
├── TraceError (TypeError)         a forward that cannot be traced into a graph
├── FormatError (ValueError)       a model file that is corrupt, truncated or of an unknown kind
├── UnsupportedError (ValueError)  something that is well formed but that the library does not do
├── BlockError (RuntimeError)      a block that did not come: lost, late, refused
└── ClusterError (RuntimeError)    Spark does not give what training needs: slots, Java, an executor
"""


class SparkDLError(Exception):
    """Base of all exceptions raised on purpose by this library."""


class ShapeError(SparkDLError, ValueError):
    """An array of the wrong shape or dtype."""


class DataError(SparkDLError, ValueError):
    """A column, row or file that cannot be used; the message names the first offender."""


class TraceError(SparkDLError, TypeError):
    """A module's forward did something that cannot be recorded in a graph."""


class FormatError(SparkDLError, ValueError):
    """A file is corrupt, truncated or of an unknown kind."""


class UnsupportedError(SparkDLError, ValueError):
    """The request is well formed, but the library does not do it; the message says what to do instead."""


class BlockError(SparkDLError, RuntimeError):
    """A block did not come; the message names block, peer and how long it was waited for."""


class ClusterError(SparkDLError, RuntimeError):
    """Spark does not give what training needs; the message says what is missing and how to get it."""
