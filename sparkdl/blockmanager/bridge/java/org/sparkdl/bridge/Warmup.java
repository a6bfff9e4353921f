package org.sparkdl.bridge;

import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;

/**
 * Runs the door's code, and Spark's transport under it, against this JVM itself until it is compiled: an exchange takes
 * ten times as long before. It talks to the door as a task does, and stops when a task begins to exchange. Tasks that
 * have all met wait for it a little: on busy cores it gets no further than a few rounds while they start.
 */
final class Warmup {
  private static final long LONGEST = 5_000_000_000L; // nanoseconds
  private static final int ROUNDS = 3_000;
  private static final int ENOUGH = 600; // rounds after which no task waits for more
  private static final long PATIENCE = 1_500_000_000L; // nanoseconds
  private static final CountDownLatch WARM = new CountDownLatch(1);
  private static final int SLICE = 120_000; // bytes: a small model's

  private static volatile boolean started;

  private final SocketChannel channel;
  private final ByteBuffer out = ByteBuffer.allocate(4096).order(ByteOrder.LITTLE_ENDIAN);
  private final ByteBuffer in = ByteBuffer.allocate(4096).order(ByteOrder.LITTLE_ENDIAN);

  private Warmup(SocketChannel channel) {
    this.channel = channel;
  }

  /** Waits until an exchange is no longer slowed by what is not compiled yet, or for a second and a half. */
  static void await() throws InterruptedException {
    if (started) {
      WARM.await(PATIENCE, TimeUnit.NANOSECONDS);
    }
  }

  static void run(String address) {
    started = true;
    try {
      if (Blocks.manager().blockManagerId().isDriver()) {
        return; // in local mode everything stays in shared memory
      }
      try (SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(address))) {
        new Warmup(channel).work();
      }
    } catch (Exception stopped) {
      // a cold start is slower, not wrong
    } finally {
      WARM.countDown();
    }
  }

  private void work() throws IOException {
    long run = Long.MAX_VALUE - ThreadLocalRandom.current().nextLong(1L << 40);
    out.put(Connection.JOIN).putLong(run).putInt(0).putInt(1).putLong(LONGEST).put((byte) 1);
    call();
    out.put(Connection.SHARE);
    string("warm-up " + run);
    string(System.getProperty("java.io.tmpdir"));
    out.putLong(2 * SLICE).putInt(1);
    call();
    out.put(Connection.MAPPED);
    call();
    long stop = System.nanoTime() + LONGEST;
    long kind = 'g';
    for (int step = 1; step <= ROUNDS && System.nanoTime() < stop && !Connection.busy; step++) {
      out.put(Connection.EXCHANGE).putLong(LONGEST).put((byte) 1);
      out.putInt(1);
      block("g_" + step, 0);
      out.putInt(1).putLong(kind).putLong(step);
      out.putInt(1).putInt(0).putInt(1).putLong(kind).putLong(step).putInt(1);
      block("g_" + step, SLICE);
      out.putInt(1);
      string("g_" + (step - 1));
      call();
      if (step == ENOUGH) {
        WARM.countDown();
      }
    }
  }

  private void block(String name, long offset) {
    string(name);
    out.putInt(2);
    out.putInt(0).putLong(offset).putLong(SLICE / 2);
    out.putInt(0).putLong(offset + SLICE / 2).putLong(SLICE / 2);
  }

  private void string(String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    out.putShort((short) bytes.length).put(bytes);
  }

  private void call() throws IOException {
    out.flip();
    ByteBuffer start = ByteBuffer.allocate(12).order(ByteOrder.LITTLE_ENDIAN).putInt(out.remaining()).putLong(0).flip();
    channel.write(start);
    channel.write(out);
    out.clear();
    read(16);
    int status = in.getInt();
    read(in.getInt());
    if (status != 0) {
      throw new IOException("the door answered with status " + status);
    }
  }

  private void read(int bytes) throws IOException {
    in.clear().limit(bytes);
    while (in.hasRemaining() && channel.read(in) >= 0) {
      // a short read: go on
    }
    in.flip();
  }
}
