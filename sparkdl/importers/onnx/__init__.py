"""ONNX: export of a graph."""
