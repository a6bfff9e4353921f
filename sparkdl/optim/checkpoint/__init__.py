"""Snapshots of a run, and the files that keep them."""
