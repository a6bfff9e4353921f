"""Writers of layers as layers of Caffe, by family."""

from sparkdl.importers.writers import Writers

WRITERS = Writers(__name__, ("activation", "windows", "products", "shape"))
writes = WRITERS.writes
