package org.sparkdl.bridge;

import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.spark.SparkEnv;
import org.apache.spark.network.buffer.ManagedBuffer;
import org.apache.spark.network.shuffle.BlockFetchingListener;
import org.apache.spark.storage.BlockData;
import org.apache.spark.storage.BlockId;
import org.apache.spark.storage.BlockManager;
import org.apache.spark.storage.BlockManagerId;
import org.apache.spark.storage.BroadcastBlockId;
import org.apache.spark.storage.StorageLevel;
import org.apache.spark.util.io.ChunkedByteBuffer;
import scala.Option;
import scala.jdk.javaapi.CollectionConverters;
import scala.reflect.ClassTag;

/** Spark's block manager, as far as the door uses it. Blocks of run R are named broadcast_R_..., a kind that Spark parses. */
final class Blocks {
  /** putBytes takes other arguments from one 4.x to the next, so it is found by name and filled in by type. */
  private static final Method PUT =
      Arrays.stream(BlockManager.class.getMethods()).filter(m -> m.getName().equals("putBytes")).findFirst().orElseThrow();

  private Blocks() {}

  static BlockManager manager() {
    SparkEnv env = SparkEnv.get();
    if (env == null || env.isStopped()) {
      throw new IllegalStateException("Spark is not running in this JVM (any more)");
    }
    return env.blockManager();
  }

  static BlockId id(long run, String field) {
    return new BroadcastBlockId(run, field);
  }

  static boolean has(BlockManager manager, BlockId id) {
    return manager.blockInfoManager().get(id).isDefined();
  }

  /** Stores the bytes themselves, not a copy, unless the id is taken. Under memory pressure Spark writes them to disk. */
  static void put(BlockManager manager, BlockId id, byte[] data, boolean tellMaster) throws Exception {
    put(manager, id, new ChunkedByteBuffer(ByteBuffer.wrap(data)), tellMaster);
  }

  static void put(BlockManager manager, BlockId id, ChunkedByteBuffer data, boolean tellMaster) throws Exception {
    Object[] arguments = new Object[PUT.getParameterCount()];
    boolean first = true;
    for (int i = 0; i < arguments.length; i++) {
      Class<?> type = PUT.getParameterTypes()[i];
      if (type == BlockId.class) {
        arguments[i] = id;
      } else if (type == ChunkedByteBuffer.class) {
        arguments[i] = data;
      } else if (type == StorageLevel.class) {
        arguments[i] = StorageLevel.MEMORY_AND_DISK_SER();
      } else if (type == boolean.class) {
        arguments[i] = first && tellMaster;
        first = false;
      } else if (type == ClassTag.class) {
        arguments[i] = ClassTag.apply(byte[].class);
      } else {
        arguments[i] = Option.empty();
      }
    }
    if (!(Boolean) PUT.invoke(manager, arguments)) {
      throw new IllegalStateException("block " + id + " of " + data.size() + " bytes found no room in memory and none on disk");
    }
  }

  /** Keeps a block of this JVM in memory until {@link #unpin}: a block that is being read is not evicted. */
  static void pin(BlockManager manager, BlockId id) {
    if (manager.getLocalBytes(id).isEmpty()) {
      throw new IllegalStateException("block " + id + " is gone");
    }
  }

  static void unpin(BlockManager manager, BlockId id) {
    manager.releaseLock(id, Option.empty());
  }

  /** The bytes of a block of this JVM, or null. */
  static byte[] local(BlockManager manager, BlockId id) {
    Option<BlockData> found = manager.getLocalBytes(id);
    if (found.isEmpty()) {
      return null;
    }
    try {
      ByteBuffer bytes = found.get().toByteBuffer();
      byte[] copy = new byte[bytes.remaining()];
      bytes.get(copy);
      return copy;
    } finally {
      manager.releaseLock(id, Option.empty());
    }
  }

  /** The bytes of a block at a known place, or null if it is not there. */
  static byte[] take(BlockManagerId place, BlockId id, long milliseconds) throws Exception {
    BlockManager manager = manager();
    if (place.equals(manager.blockManagerId())) {
      return local(manager, id);
    }
    CompletableFuture<byte[]> arrived = new CompletableFuture<>();
    manager.blockStoreClient().fetchBlocks(place.host(), place.port(), place.executorId(), new String[] {id.name()},
        new BlockFetchingListener() {
          @Override
          public void onBlockFetchSuccess(String name, ManagedBuffer data) {
            try {
              ByteBuffer bytes = data.nioByteBuffer();
              byte[] copy = new byte[bytes.remaining()];
              bytes.get(copy);
              arrived.complete(copy);
            } catch (Exception error) {
              arrived.completeExceptionally(error);
            }
          }

          @Override
          public void onBlockFetchFailure(String name, Throwable error) {
            arrived.complete(null);
          }
        }, null);
    return arrived.get(milliseconds, TimeUnit.MILLISECONDS);
  }

  /** Driver only: the blocks of which it was told, without asking any executor. */
  static Iterable<BlockId> known() {
    return ids(false);
  }

  /** Driver only: every block of every block manager, those of which the driver was never told too. */
  static Iterable<BlockId> everywhere() {
    return ids(true);
  }

  private static Iterable<BlockId> ids(boolean ask) {
    // A function of Scala's own that is true for every id: executors need not know any class of ours to evaluate it.
    scala.Function1<BlockId, Object> every =
        new scala.collection.immutable.HashMap<BlockId, Object>().withDefaultValue(Boolean.TRUE);
    return new LinkedHashSet<>(CollectionConverters.asJava(manager().master().getMatchingBlockIds(every, ask)));
  }

  /** Ids of the run's blocks in this JVM, on disk too. */
  static Iterable<BlockId> held(BlockManager manager, long run) {
    var found = manager.getMatchingBlockIds(new scala.runtime.AbstractFunction1<BlockId, Object>() {
      @Override
      public Object apply(BlockId id) {
        return id instanceof BroadcastBlockId && ((BroadcastBlockId) id).broadcastId() == run;
      }
    });
    return new LinkedHashSet<>(CollectionConverters.asJava(found)); // Spark names those on disk twice
  }
}
