package org.sparkdl.bridge;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.spark.storage.BlockId;

/** The one verb of a step: put, make known, wait, fetch; what is to be removed is returned and removed after the reply. */
final class Exchange {
  /** Nanoseconds after which a waiting call looks whether its task is still there. */
  static final long CHECK = 200_000_000;

  /** Nanoseconds after which it asks the driver whether those it waits for still have an executor. */
  private static final long GONE = 1_000_000_000;

  private Exchange() {}

  static List<BlockId> run(Connection c, Request in) throws Exception {
    if (c.page == null) {
      throw new Failure(Failure.BROKEN, "a task must join a run before it exchanges blocks");
    }
    Connection.busy |= c.places.length > 1;
    final long timeout = in.readLong();
    final boolean lend = in.readByte() != 0;
    for (int n = in.readInt(); n > 0; n--) {
      put(c, in, lend);
    }
    for (int n = in.readInt(); n > 0; n--) {
      c.page.announce(in.readLong(), in.readLong());
    }
    int pulls = in.readInt();
    CountDownLatch done = new CountDownLatch(pulls);
    List<Pull> all = new ArrayList<>(pulls);
    List<Pull.Target> targets = new ArrayList<>();
    for (int i = 0; i < pulls; i++) {
      all.add(pull(c, in, targets, done));
    }
    List<BlockId> removes = new ArrayList<>();
    for (int n = in.readInt(); n > 0; n--) {
      removes.add(Blocks.id(c.run, in.readString()));
    }
    long started = System.nanoTime();
    long deadline = started + timeout;
    for (Pull pull : all) {
      pull.start();
    }
    boolean complete = false;
    try {
      for (Pull pull : all) {
        pull.finish(c, deadline);
      }
      long asked = started;
      for (long left = 1; !complete && left > 0; ) {
        left = deadline - System.nanoTime();
        complete = done.await(Math.min(Math.max(left, 0), CHECK), TimeUnit.NANOSECONDS);
        if (!complete) {
          c.checkTask();
          if (System.nanoTime() - asked > GONE) {
            asked = System.nanoTime();
            all.forEach(Pull::checkSource);
          }
        }
      }
    } catch (Exception error) {
      for (Pull pull : all) {
        pull.abandon();
      }
      throw error;
    }
    long ready = started;
    for (Pull pull : all) {
      ready = Math.max(ready, pull.result(complete));
    }
    in.writeLong(ready - started);
    in.writeLong(System.nanoTime() - ready);
    List<byte[]> body = new ArrayList<>();
    for (Pull.Target target : targets) {
      for (byte[] part : target.inline) {
        if (part != null) {
          in.writeLong(part.length);
          body.add(part);
        }
      }
    }
    in.reply(0, body);
    return removes;
  }

  private static void put(Connection c, Request in, boolean lend) throws Exception {
    final BlockId id = Blocks.id(c.run, in.readString());
    Pull.Piece[] pieces = pieces(c, in);
    long size = 0;
    for (Pull.Piece piece : pieces) {
      size += piece.length;
      lend &= piece.arena != null && piece.length > 0;
    }
    byte[] copy = lend ? null : copy(in, pieces, size); // what comes with the message is read in any case
    if (Blocks.has(c.manager, id)) { // the first put wins
      return;
    }
    if (copy != null) {
      Blocks.put(c.manager, id, copy, false); // Spark keeps this very array
    } else {
      Lent lent = Lent.of(pieces);
      try {
        Blocks.put(c.manager, id, lent, false);
      } finally {
        if (!c.manager.memoryStore().contains(id)) { // it went to disk, or nowhere
          lent.dispose();
        }
      }
    }
    c.counters.blocksPut.increment();
    c.counters.bytesPut.add(size);
  }

  private static byte[] copy(Request in, Pull.Piece[] pieces, long size) throws Exception {
    byte[] data = new byte[Math.toIntExact(size)];
    int at = 0;
    for (Pull.Piece piece : pieces) {
      int length = (int) piece.length;
      if (piece.arena == null) {
        in.readBody(data, at, length);
      } else {
        piece.arena.read(piece.offset, data, at, length);
      }
      at += length;
    }
    return data;
  }

  private static Pull pull(Connection c, Request in, List<Pull.Target> targets, CountDownLatch done) {
    int source = in.readInt();
    long[] kinds = new long[in.readInt()];
    long[] steps = new long[kinds.length];
    for (int i = 0; i < kinds.length; i++) {
      kinds[i] = in.readLong();
      steps[i] = in.readLong();
    }
    Pull.Target[] mine = new Pull.Target[in.readInt()];
    for (int i = 0; i < mine.length; i++) {
      mine[i] = new Pull.Target(c.run, in.readString(), pieces(c, in));
      targets.add(mine[i]);
    }
    return new Pull(c, source, kinds, steps, mine, done);
  }

  private static Pull.Piece[] pieces(Connection c, Request in) {
    Pull.Piece[] pieces = new Pull.Piece[in.readInt()];
    for (int i = 0; i < pieces.length; i++) {
      int arena = in.readInt();
      pieces[i] = new Pull.Piece(arena < 0 ? null : c.arenas.get(arena), in.readLong(), in.readLong());
    }
    return pieces;
  }
}
