package org.sparkdl.bridge;

import java.io.EOFException;
import java.io.IOException;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import org.apache.spark.storage.BlockId;
import org.apache.spark.storage.BlockInfo;
import org.apache.spark.storage.BlockManager;
import org.apache.spark.storage.BlockManagerId;
import org.apache.spark.storage.BlockManagerMaster;
import scala.Option;
import scala.collection.immutable.Seq;

/**
 * One task's conversation with the door. What it holds (page, pins, mapped memory) ends with its socket; so a task that
 * is killed leaves nothing behind, and if it was the last of its run here, the run's blocks go too.
 */
final class Connection implements Runnable {
  static final byte JOIN = 1;
  static final byte SHARE = 2;
  static final byte MAPPED = 3;
  static final byte EXCHANGE = 4;
  static final byte NOTE = 5;
  static final byte STATS = 6;
  static final byte DROP = 7;
  static final byte LEAVE = 8;
  static final byte KEEP = 9;
  static final byte FETCH = 10;
  static final byte FORGET = 11;
  static final byte FILES = 12;
  static final byte LIVES = 13;

  /** Set by the first task that exchanges: warming up must not compete with it. */
  static volatile boolean busy;

  BlockManager manager;
  long run;
  BlockManagerId[] places;
  Counters counters;
  final List<Arena> arenas = new ArrayList<>();
  Page page;
  private boolean remote; // fetch own blocks through the network too: warming up
  private boolean leaving;
  private final SocketChannel channel;
  private final Request request;

  Connection(SocketChannel channel) {
    this.channel = channel;
    this.request = new Request(channel);
  }

  @Override
  public void run() {
    try (channel) {
      while (request.next()) {
        List<BlockId> removes = List.of();
        try {
          byte verb = request.readByte();
          if (verb == EXCHANGE) {
            removes = Exchange.run(this, request);
          } else {
            request.reply(0, answer(verb));
          }
        } catch (IOException error) {
          throw error;
        } catch (Exception error) {
          request.refuse(Failure.of(error));
        }
        for (BlockId id : removes) { // while the task works on
          remove(id);
        }
      }
    } catch (IOException gone) {
      // the task has ended: all that is left to do is to clear up
    } finally {
      close();
    }
  }

  /** Answers a message; what it returns is the answer's body. */
  private List<byte[]> answer(byte verb) throws Exception {
    switch (verb) {
      case JOIN:
        join(request.readLong(), request.readInt(), request.readInt(), request.readLong(), request.readByte() != 0);
        return List.of();
      case SHARE:
        Arena arena = Arena.join(request.readString(), request.readString(), request.readLong(), request.readInt());
        arenas.add(arena);
        request.writeString(arena.path.toString());
        return List.of();
      case MAPPED:
        arenas.get(arenas.size() - 1).mapped();
        return List.of();
      case NOTE:
        page.write(request.readString().getBytes(StandardCharsets.UTF_8));
        return List.of();
      case STATS:
        stats();
        return List.of();
      case DROP:
        drop();
        return List.of();
      case LEAVE:
        leaving = true;
        return List.of();
      case KEEP:
        Kept.keep(request.readLong(), request.readString(), request.body());
        return List.of();
      case FETCH:
        return List.of(Kept.fetch(request.readLong(), request.readString()));
      case FORGET:
        Kept.forget(request.readLong(), request.readString());
        return List.of();
      case LIVES:
        request.writeInt(Page.lives(request.readLong(), request.readInt()) ? 1 : 0);
        return List.of();
      case FILES:
        return List.of(
            HadoopFiles.answer(
                request.readString(), request.readString(), request.readString(), request.readString(),
                request.readString(), request.body()));
      default:
        throw new Failure(Failure.BROKEN, "verb " + verb + " is unknown: jar and Python files are of different versions");
    }
  }

  /** Puts this task's page where all can find it, and waits for the pages of the others. */
  private void join(long run, int rank, int size, long nanoseconds, boolean remote) throws Exception {
    if (page != null) {
      throw new Failure(Failure.BROKEN, "this connection has joined run " + this.run + " before");
    }
    manager = Blocks.manager();
    this.run = run;
    this.remote = remote;
    counters = Counters.join(run);
    page = new Page(manager, run, rank);
    BlockManagerMaster master = manager.master();
    BlockId[] pages = new BlockId[size];
    for (int i = 0; i < size; i++) {
      pages[i] = Blocks.id(run, Page.name(i));
    }
    places = new BlockManagerId[size];
    long started = System.nanoTime();
    for (long pause = 1_000_000; ; pause = Math.min(2 * pause, 50_000_000)) {
      List<Integer> absent = new ArrayList<>();
      var found = master.getLocations(pages);
      for (int i = 0; i < size; i++) {
        Seq<BlockManagerId> where = found.apply(i);
        if (where.isEmpty()) {
          absent.add(i);
        } else {
          places[i] = where.head();
        }
      }
      if (absent.isEmpty()) {
        break;
      }
      if (System.nanoTime() - started > nanoseconds) {
        throw new Failure(Failure.ABSENT, absent);
      }
      checkTask();
      LockSupport.parkNanos(pause);
    }
    if (!remote && Arrays.stream(places).distinct().count() > 1) {
      Warmup.await();
    }
    for (int i = 0; i < size; i++) {
      if (!isHere(i)) {
        Blocks.take(places[i], pages[i], 60_000); // connects now, not in the first step
      }
      request.writeString(places[i].executorId());
      request.writeString(places[i].host() + ":" + places[i].port());
    }
  }

  /**
   * Throws if the task at the other end has ended, so that what it pins does not outlive it by a time-out. A task sends
   * nothing while it waits for an answer: there is either nothing to read, or the end of the stream.
   */
  void checkTask() throws IOException {
    channel.configureBlocking(false);
    try {
      if (channel.read(ByteBuffer.allocate(1)) < 0) {
        throw new EOFException("the task has ended");
      }
    } finally {
      channel.configureBlocking(true);
    }
  }

  boolean isHere(int rank) {
    return !remote && places[rank].equals(manager.blockManagerId());
  }

  private void stats() {
    long blocks = 0;
    long bytes = 0;
    for (BlockId id : Blocks.held(manager, run)) {
      Option<BlockInfo> info = manager.blockInfoManager().get(id);
      String name = id.name();
      if (info.isDefined() && !name.contains("_page_") && !name.contains("_note_")) {
        blocks++;
        bytes += info.get().size();
      }
    }
    long[] values = {
      counters.blocksPut.sum(), counters.bytesPut.sum(), counters.blocksFetched.sum(), counters.bytesFetched.sum(),
      counters.polls.sum(), blocks, bytes, buffers("direct"), buffers("mapped"), manager.memoryStore().currentUnrollMemory()
    };
    for (long value : values) {
      request.writeLong(value);
    }
  }

  private static long buffers(String pool) {
    return ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class).stream()
        .filter(p -> p.getName().equals(pool)).mapToLong(BufferPoolMXBean::getMemoryUsed).sum();
  }

  void remove(BlockId id) {
    if (Blocks.has(manager, id)) {
      try {
        manager.removeBlock(id, false);
      } catch (RuntimeException error) {
        throw error;
      } catch (Exception error) { // Spark's own, which Scala does not declare: a mate or the driver was quicker
        if (Blocks.has(manager, id)) {
          throw new IllegalStateException(error);
        }
      }
    }
  }

  /** Removes the run's blocks here, but for pages of tasks that are still connected: those are pinned. */
  private void drop() {
    for (BlockId id : Blocks.held(manager, run)) {
      if (!Page.isPinned(run, id)) {
        remove(id);
      }
    }
  }

  private void close() {
    if (page != null) {
      page.close();
    }
    if (counters != null && Counters.leave(run) && !leaving) {
      try {
        drop();
      } catch (RuntimeException stopped) {
        // Spark is shutting down and takes its blocks with it
      }
    }
    for (Arena arena : arenas) {
      arena.leave();
    }
  }

  static String kindName(long kind) {
    StringBuilder name = new StringBuilder();
    for (long rest = kind; rest != 0; rest >>>= 8) {
      name.append((char) (rest & 0xFF));
    }
    return name.toString();
  }
}
