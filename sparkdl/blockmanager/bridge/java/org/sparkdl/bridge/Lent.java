package org.sparkdl.bridge;

import java.nio.ByteBuffer;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.spark.util.io.ChunkedByteBuffer;

/**
 * A block's bytes, left where the task has them: in arenas, which stay mapped until Spark has removed the block from
 * memory. Nothing is copied into the heap when it is put, and nothing out of it when it is sent.
 */
final class Lent extends ChunkedByteBuffer {
  private final Set<Arena> arenas;
  private final AtomicBoolean over = new AtomicBoolean();

  private Lent(ByteBuffer[] chunks, Set<Arena> arenas) {
    super(chunks);
    this.arenas = arenas;
  }

  /** The pieces in their order; all of them lie in arenas of the connection that asks, so these are mapped now. */
  static Lent of(Pull.Piece[] pieces) {
    Set<Arena> arenas = new HashSet<>();
    ByteBuffer[] chunks = new ByteBuffer[pieces.length];
    for (int i = 0; i < pieces.length; i++) {
      chunks[i] = pieces[i].arena.view(pieces[i].offset, pieces[i].length);
      arenas.add(pieces[i].arena);
    }
    for (Arena arena : arenas) {
      arena.enter();
    }
    return new Lent(chunks, arenas);
  }

  /** Spark calls this once nobody reads the block any more. The memory is the arenas' to free. */
  @Override
  public void dispose() {
    if (over.compareAndSet(false, true)) {
      for (Arena arena : arenas) {
        arena.leave();
      }
    }
  }
}
