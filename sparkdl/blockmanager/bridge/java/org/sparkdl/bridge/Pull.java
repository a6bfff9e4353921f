package org.sparkdl.bridge;

import io.netty.buffer.ByteBuf;
import java.nio.ByteBuffer;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.apache.spark.network.buffer.ManagedBuffer;
import org.apache.spark.network.shuffle.BlockFetchingListener;
import org.apache.spark.network.shuffle.DownloadFileManager;
import org.apache.spark.storage.BlockManager;
import org.apache.spark.storage.BlockManagerId;

/**
 * All that one call wants from one other task: waits until its page says that the blocks are there, then fetches them.
 *
 * <p>From another executor this goes by Spark's own block transfer, straight from the executor that has them: looking
 * at the page and fetching a block are two requests each. It runs in Spark's transport threads; the caller waits for
 * the latch. Looks come ever less often, at a quarter of the time waited so far, so that waiting costs the slower side little.
 */
final class Pull {
  private static final long SHORTEST = 50_000; // nanoseconds between two looks
  private static final long LONGEST = 1_000_000;
  private static final long STREAMED = 256 << 10; // bytes from which on a block is not sent as one message
  private static final ScheduledExecutorService LATER = Executors.newSingleThreadScheduledExecutor(work -> {
    Thread thread = new Thread(work, "sparkdl-later");
    thread.setDaemon(true);
    return thread;
  });

  /** A part of a block: {@code length} bytes at {@code offset} of an arena, or (arena null) to be sent in the reply. */
  static final class Piece {
    final Arena arena;
    final long offset;
    final long length; // -1: whatever the block has

    Piece(Arena arena, long offset, long length) {
      this.arena = arena;
      this.offset = offset;
      this.length = length;
    }
  }

  /** A block to fetch and where its bytes go. */
  static final class Target {
    final String name;
    final String field;
    final Piece[] pieces;
    final byte[][] inline;

    Target(long run, String field, Piece[] pieces) {
      this.field = field;
      this.name = Blocks.id(run, field).name();
      this.pieces = pieces;
      this.inline = new byte[pieces.length][];
    }

    /** What is expected, at least. */
    long bytes() {
      long bytes = 0;
      for (Piece piece : pieces) {
        bytes += Math.max(piece.length, 0);
      }
      return bytes;
    }
  }

  private final BlockManager manager;
  private final BlockManagerId place;
  private final boolean here;
  private final long run;
  private final int source;
  private final long[] kinds;
  private final long[] steps;
  private final Target[] targets;
  private final Counters counters;
  private final CountDownLatch done;
  private final long started = System.nanoTime();
  private volatile long ready;
  private volatile long seen = Long.MIN_VALUE;
  private volatile int waitingFor;
  private volatile boolean over; // whoever made the call has given up: write nothing any more
  private volatile Failure failure;
  private int left;

  Pull(Connection connection, int source, long[] kinds, long[] steps, Target[] targets, CountDownLatch done) {
    this.manager = connection.manager;
    this.place = connection.places[source];
    this.here = connection.isHere(source);
    this.run = connection.run;
    this.counters = connection.counters;
    this.source = source;
    this.kinds = kinds;
    this.steps = steps;
    this.targets = targets;
    this.done = done;
    this.left = targets.length;
  }

  /** Starts a pull from another executor; one from this JVM is done by {@link #finish}. */
  void start() {
    if (!here) {
      look();
    }
  }

  /** The wait for this JVM's own blocks needs no network. */
  void finish(Connection connection, long deadline) throws Exception {
    if (!here) {
      return;
    }
    long checked = started;
    while (!isReady(localPage())) {
      long now = System.nanoTime();
      if (now > deadline) {
        return;
      }
      if (now - checked > Exchange.CHECK) {
        connection.checkTask();
        checked = now;
      }
      LockSupport.parkNanos(Math.max(SHORTEST / 2, Math.min((now - started) / 8, LONGEST)));
    }
    ready = System.nanoTime();
    for (Target target : targets) {
      byte[] data = Blocks.local(manager, Blocks.id(run, target.field));
      if (data == null) {
        throw new Failure(Failure.LOST, target.field, source, "it has been removed");
      }
      Landing landing = new Landing(this, target);
      landing.write(ByteBuffer.wrap(data));
      check(target, landing);
    }
    done.countDown();
  }

  private ByteBuffer localPage() {
    Page page = Page.here(run, source);
    byte[] bytes = page != null ? page.bytes() : Blocks.local(manager, Blocks.id(run, Page.name(source)));
    return ByteBuffer.wrap(bytes == null ? new byte[0] : bytes);
  }

  private boolean isReady(ByteBuffer page) throws Failure {
    for (int i = 0; i < kinds.length; i++) {
      long step = Page.step(page, kinds[i]);
      if (step < steps[i]) {
        seen = step;
        waitingFor = i;
        if (Page.step(page, Page.END) > 0) {
          throw new Failure(Failure.LOST, Connection.kindName(kinds[i]) + "_" + steps[i], source, "its task has ended");
        }
        return false;
      }
    }
    return true;
  }

  /** Nobody waits any more. */
  void abandon() {
    over = true;
  }

  /** Fails if the driver has lost the executor: Spark's transport would go on trying to reach it for 15 seconds. */
  void checkSource() {
    if (!here && ready == 0 && failure == null
        && manager.master().getLocations(Blocks.id(run, Page.name(source))).isEmpty()) {
      fail(new Failure(Failure.LOST, Page.name(source), source, "its executor has gone"));
    }
  }

  private void look() {
    if (over) {
      return;
    }
    counters.polls.increment();
    fetch(Blocks.id(run, Page.name(source)).name(), null, new BlockFetchingListener() {
      @Override
      public void onBlockFetchSuccess(String name, ManagedBuffer data) {
        try {
          if (isReady(data.nioByteBuffer())) {
            ready = System.nanoTime();
            fetchBlocks();
          } else {
            long pause = Math.max(SHORTEST, Math.min((System.nanoTime() - started) / 4, LONGEST));
            LATER.schedule(Pull.this::look, pause, TimeUnit.NANOSECONDS);
          }
        } catch (Throwable error) {
          fail(Failure.of(error));
        }
      }

      @Override
      public void onBlockFetchFailure(String name, Throwable error) {
        fail(new Failure(Failure.LOST, Page.name(source), source, error));
      }
    });
  }

  private void fetchBlocks() {
    if (targets.length == 0) {
      done.countDown();
      return;
    }
    for (Target target : targets) {
      Landing landing = new Landing(this, target);
      boolean streamed = target.bytes() >= STREAMED;
      fetch(target.name, streamed ? landing : null, new BlockFetchingListener() {
        @Override
        public void onBlockFetchSuccess(String name, ManagedBuffer data) {
          try {
            if (!streamed) {
              write(data, landing);
            }
            counters.blocksFetched.increment();
            counters.bytesFetched.add(landing.size());
            check(target, landing);
            if (oneLess()) {
              done.countDown();
            }
          } catch (Throwable error) {
            fail(Failure.of(error));
          }
        }

        @Override
        public void onBlockFetchFailure(String name, Throwable error) {
          fail(new Failure(Failure.LOST, target.field, source, error));
        }
      });
    }
  }

  private static void write(ManagedBuffer data, Landing landing) throws Exception {
    ByteBuf bytes = (ByteBuf) data.convertToNetty();
    try {
      for (ByteBuffer part : bytes.nioBuffers()) { // nioByteBuffer() would first gather them into one new array
        landing.write(part);
      }
    } finally {
      bytes.release();
    }
  }

  private void fetch(String name, DownloadFileManager landing, BlockFetchingListener listener) {
    String[] names = {name};
    manager.blockStoreClient().fetchBlocks(place.host(), place.port(), place.executorId(), names, listener, landing);
  }

  private synchronized boolean oneLess() {
    return --left == 0;
  }

  private void fail(Failure failure) {
    this.failure = failure;
    over = true;
    done.countDown();
  }

  private void check(Target target, Landing landing) throws Failure {
    long size = landing.size();
    long expected = 0;
    for (Piece piece : target.pieces) {
      expected = piece.length < 0 ? size : expected + piece.length;
    }
    if (expected != size) {
      throw new Failure(Failure.SIZE, target.field, source, size, expected);
    }
  }

  /** Bytes for the tasks' memory, unless nobody waits for them any more. */
  void write(Arena arena, long offset, ByteBuffer data, int bytes) {
    if (arena.enter()) {
      try {
        if (!over) {
          arena.write(offset, data, bytes);
          return;
        }
      } finally {
        arena.leave();
      }
    }
    data.position(data.position() + bytes);
  }

  /** After the call has ended, well or not: when its blocks were there, or why they are not. */
  long result(boolean complete) throws Failure {
    if (failure != null) {
      throw failure;
    }
    if (!complete && (ready == 0 || left > 0)) {
      over = true;
      String newest = seen == Long.MIN_VALUE ? "none" : Long.toString(seen);
      String what = ready == 0 ? newest : "there, but " + left + " blocks are still on their way";
      throw new Failure(Failure.LATE, Connection.kindName(kinds[waitingFor]), steps[waitingFor], source, what);
    }
    return ready;
  }
}
