package org.sparkdl.bridge;

import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import org.apache.spark.storage.BlockId;
import org.apache.spark.storage.BlockManager;
import org.apache.spark.storage.BlockManagerId;
import org.apache.spark.storage.BroadcastBlockId;
import scala.jdk.javaapi.CollectionConverters;

/**
 * Blocks that outlive the attempt that put them: snapshots. The driver knows where they are, and several executors may
 * hold the same one. They go when their run is dropped.
 */
final class Kept {
  private static final long[] PATIENCE = {2_000, 30_000}; // milliseconds for one block, at first and when nobody was fast

  private Kept() {}

  static void keep(long run, String field, byte[] data) throws Exception {
    BlockManager manager = Blocks.manager();
    BlockId id = Blocks.id(run, field);
    if (!Blocks.has(manager, id)) {
      Blocks.put(manager, id, data, true);
    }
  }

  /** The bytes, from whoever still has them: this JVM, or who answers first. One of them may be stopped. */
  static byte[] fetch(long run, String field) throws Exception {
    BlockId id = Blocks.id(run, field);
    byte[] own = Blocks.local(Blocks.manager(), id);
    if (own != null) {
      return own;
    }
    Exception last = null;
    for (long patience : PATIENCE) {
      for (BlockManagerId place : CollectionConverters.asJava(Blocks.manager().master().getLocations(id))) {
        try {
          byte[] data = Blocks.take(place, id, patience);
          if (data != null) {
            return data;
          }
        } catch (Exception stalled) {
          last = stalled;
        }
      }
    }
    throw new Failure(Failure.BROKEN, "no executor has block " + id + (last == null ? "" : ": " + last));
  }

  /** Removes this JVM's copy. */
  static void forget(long run, String field) {
    BlockManager manager = Blocks.manager();
    BlockId id = Blocks.id(run, field);
    if (Blocks.has(manager, id)) {
      manager.removeBlock(id, true);
    }
  }

  /** Driver only: the run's kept blocks, as many times as there are copies, without asking any executor. */
  static List<String> names(long run) {
    List<String> names = new ArrayList<>();
    for (BlockId id : Blocks.known()) {
      if (id instanceof BroadcastBlockId && ((BroadcastBlockId) id).broadcastId() == run) {
        String field = ((BroadcastBlockId) id).field();
        int copies = Blocks.manager().master().getLocations(id).size();
        for (int i = 0; i < copies; i++) {
          names.add(field);
        }
      }
    }
    return names;
  }

  /** Driver only: removes all of the run's kept blocks but those whose names start so, from every executor. */
  static void prune(long run, String start) {
    for (String field : new TreeSet<>(names(run))) {
      if (!field.startsWith(start)) {
        Blocks.manager().master().removeBlock(Blocks.id(run, field));
      }
    }
  }

  /** Driver only: takes a copy of those blocks of the run whose names start so, and forgets its others. */
  static void copy(long run, String start) throws Exception {
    if (org.apache.spark.SparkContext.getOrCreate().isLocal()) {
      return; // the driver is the executor
    }
    for (String field : new TreeSet<>(names(run))) {
      if (!field.startsWith(start)) {
        forget(run, field);
      } else if (!Blocks.has(Blocks.manager(), Blocks.id(run, field))) {
        keep(run, field, fetch(run, field));
      }
    }
  }
}
