"""Writers of layers as nodes of ONNX, by family."""

from sparkdl.importers.writers import Writers

WRITERS = Writers(__name__, ("activation", "windows", "products", "shape", "recurrent"))
writes = WRITERS.writes
