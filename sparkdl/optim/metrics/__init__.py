"""Metrics: figures over a data set that are exact however its rows are dealt out to batches and tasks."""
