"""Keras: HDF5, JSON, YAML and ``.keras`` files of versions 1 to 3."""
