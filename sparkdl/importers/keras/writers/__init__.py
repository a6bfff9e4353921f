"""Writers of layers as layers of Keras 3, by family."""

from sparkdl.importers.writers import Writers

WRITERS = Writers(__name__, ("activation", "products", "shape", "recurrent"))
writes = WRITERS.writes
