"""Converters of Caffe layers, by family."""
