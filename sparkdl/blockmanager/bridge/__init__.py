"""The door: a few Java classes that let Python tasks use the block manager of their own executor."""

from sparkdl._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "build": ["jar"],
        "client": ["Client"],
        "session": ["Door", "drop_everywhere", "enumerate_blocks", "new_run", "open_door", "read_notes"],
    },
)
