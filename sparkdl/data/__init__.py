"""Rows to batches: arrays, DataFrames and files, the order of rows, transforms."""

from sparkdl._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "order": ["SHARDS", "Batch", "EpochPlan", "Visits", "shard_of", "tasks_shards"],
        "feed": ["Feed", "Rows"],
        "arrays": ["ArrayFeed"],
        "fields": ["Column"],
        "murmur": [],
        "prefetch": ["Prefetch"],
        "readers": [],
        "transforms": [],
    },
)
