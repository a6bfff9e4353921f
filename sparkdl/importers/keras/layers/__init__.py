"""Converters of Keras layers, by family."""
