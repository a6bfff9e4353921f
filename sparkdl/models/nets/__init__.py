"""The builders, one file per family."""
