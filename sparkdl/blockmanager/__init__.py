"""How bytes travel: named blocks between the tasks of a run. Knows names and bytes, never layers."""

from sparkdl._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "store": ["Block", "BlockStore", "Stats"],
        "memory": ["MemoryHub"],
        "spark": ["connect"],
        "arena": ["Arena", "Layout"],
        "codecs": [],
        "bridge": [],
    },
)
