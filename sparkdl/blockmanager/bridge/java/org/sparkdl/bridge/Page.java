package org.sparkdl.bridge;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.concurrent.ConcurrentHashMap;
import java.util.zip.CRC32;
import org.apache.spark.storage.BlockId;
import org.apache.spark.storage.BlockManager;

/**
 * What one task makes known: a small block whose bytes change in place, so that peers can look at it again and again
 * (a fetch of a block that is not there yet would fail, loudly). It says up to which step each kind of block has been
 * put. A second block, the note, is free text for the driver.
 *
 * <p>Page: entries of two longs, kind (up to eight ASCII characters) and step; a kind of zero ends them. Note: length,
 * CRC-32, bytes; a reader that meets a half-written note sees a wrong CRC.
 *
 * <p>Both blocks are pinned: on disk they would be copies that no longer change.
 */
final class Page {
  static final int ENTRIES = 64;
  static final long END = -1; // the entry of a task that has ended; no block's kind, as these are ASCII
  static final int NOTE_BYTES = 16 << 10;
  private static final VarHandle LONG = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
  private static final ConcurrentHashMap<String, Page> HERE = new ConcurrentHashMap<>();

  private final byte[] entries = new byte[16 * ENTRIES];
  private final byte[] note = new byte[8 + NOTE_BYTES];
  private final BlockManager manager;
  private final long run;
  private final int rank;

  /** Puts page and note of a task; the page's location becomes known to the driver. */
  Page(BlockManager manager, long run, int rank) throws Exception {
    this.manager = manager;
    this.run = run;
    this.rank = rank;
    if (Blocks.has(manager, Blocks.id(run, noteName(rank)))) {
      throw new IllegalStateException("task " + rank + " of run " + run + " has joined before: every attempt is a run of its own");
    }
    Blocks.put(manager, Blocks.id(run, noteName(rank)), note, false);
    Blocks.pin(manager, Blocks.id(run, noteName(rank)));
    Blocks.put(manager, Blocks.id(run, name(rank)), entries, true);
    Blocks.pin(manager, Blocks.id(run, name(rank)));
    HERE.put(run + " " + rank, this);
  }

  static String name(int rank) {
    return "page_" + rank;
  }

  static String noteName(int rank) {
    return "note_" + rank;
  }

  /** The page of a task of this JVM, or null. */
  static Page here(long run, int rank) {
    return HERE.get(run + " " + rank);
  }

  /** Only the task's own connection calls this. */
  void announce(long kind, long step) {
    for (int at = 0; at < entries.length; at += 16) {
      long known = (long) LONG.getVolatile(entries, at);
      if (known == kind || known == 0) {
        if ((long) LONG.getVolatile(entries, at + 8) < step) {
          LONG.setVolatile(entries, at + 8, step);
        }
        LONG.setVolatile(entries, at, kind);
        return;
      }
    }
    throw new IllegalStateException("a run has at most " + ENTRIES + " kinds of blocks");
  }

  /** Whether a task is connected to the door of its executor, wherever that is. */
  static boolean lives(long run, int rank) throws Exception {
    var places = Blocks.manager().master().getLocations(Blocks.id(run, name(rank)));
    byte[] page = places.isEmpty() ? null : Blocks.take(places.head(), Blocks.id(run, name(rank)), 10_000);
    return page != null && step(ByteBuffer.wrap(page), END) < 1;
  }

  /** The entries themselves, which go on changing. */
  byte[] bytes() {
    return entries;
  }

  /** The newest step of a kind on a page, or Long.MIN_VALUE. */
  static long step(ByteBuffer page, long kind) {
    ByteBuffer entries = page.slice().order(ByteOrder.LITTLE_ENDIAN);
    for (int at = 0; at < entries.limit(); at += 16) {
      long known = entries.getLong(at);
      if (known == kind) {
        return entries.getLong(at + 8);
      }
      if (known == 0) {
        break;
      }
    }
    return Long.MIN_VALUE;
  }

  void write(byte[] text) {
    if (text.length > NOTE_BYTES) {
      throw new IllegalArgumentException("a note has at most " + NOTE_BYTES + " bytes, got " + text.length);
    }
    CRC32 crc = new CRC32();
    crc.update(text);
    ByteBuffer.wrap(note).putInt(text.length).putInt((int) crc.getValue()).put(text);
  }

  /** The text of a note's block, or null if there is none or it is just being written. */
  static byte[] note(byte[] block) {
    if (block == null) {
      return null;
    }
    ByteBuffer bytes = ByteBuffer.wrap(block);
    int length = bytes.getInt();
    int expected = bytes.getInt();
    if (length <= 0 || length > bytes.remaining()) {
      return null;
    }
    byte[] text = new byte[length];
    bytes.get(text);
    CRC32 crc = new CRC32();
    crc.update(text);
    return (int) crc.getValue() == expected ? text : null;
  }

  /** Whether a block is page or note of a task that is connected to this JVM. */
  static boolean isPinned(long run, BlockId id) {
    for (Page page : HERE.values()) {
      if (page.run == run && (id.equals(Blocks.id(run, name(page.rank))) || id.equals(Blocks.id(run, noteName(page.rank))))) {
        return true;
      }
    }
    return false;
  }

  /** Lets go of both blocks; they stay until the run is dropped, as peers may still look. */
  void close() {
    if (HERE.remove(run + " " + rank, this)) {
      announce(END, 1);
      Blocks.unpin(manager, Blocks.id(run, name(rank)));
      Blocks.unpin(manager, Blocks.id(run, noteName(rank)));
    }
  }
}
