package org.sparkdl.bridge;

import java.io.IOException;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A file that the Python tasks of one team and this JVM map into memory: bytes cross here without a copy through a socket.
 *
 * <p>The first task to ask makes the file, the last to have mapped it unlinks it. A mapping is given back when the last
 * connection has closed and no fetch writes into it any more, not when the garbage collector comes to it: that may be
 * hours. A buffer holds at most 2 GiB, so the file is mapped in windows of 2 GiB, one every GiB.
 */
final class Arena {
  static final long LARGEST = 1L << 30; // bytes of one piece
  private static final long STRIDE = 1L << 30;
  private static final ConcurrentHashMap<String, Arena> HERE = new ConcurrentHashMap<>();

  final Path path;
  final long size;
  private final String key;
  private final MappedByteBuffer[] windows;
  private final int members;
  private int mapped;
  private int users;
  private boolean closed;

  private Arena(String key, String folder, long size, int members) throws IOException {
    this.key = key;
    this.size = size;
    this.members = members;
    path = Files.createTempFile(Path.of(folder), "sdl-", ".arena",
        PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
    try (FileChannel file = FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      windows = new MappedByteBuffer[(int) Math.max(1, (size - 1) / STRIDE + 1)];
      for (int i = 0; i < windows.length; i++) {
        long start = i * STRIDE;
        windows[i] = file.map(FileChannel.MapMode.READ_WRITE, start, Math.min(size - start, 2 * STRIDE - 1));
      }
    } catch (IOException | RuntimeException error) {
      Files.deleteIfExists(path);
      throw error;
    }
  }

  /** The arena of this name, made by the first of its members. */
  static Arena join(String key, String folder, long size, int members) throws IOException {
    synchronized (HERE) {
      Arena arena = HERE.get(key);
      if (arena == null || !arena.enter()) {
        arena = new Arena(key, folder, size, members);
        arena.enter();
        HERE.put(key, arena);
      }
      if (arena.size != size) {
        arena.leave();
        throw new IllegalStateException("tasks of one executor ask for " + arena.size + " and " + size
            + " bytes of shared memory: they do not train the same model with the same options");
      }
      return arena;
    }
  }

  /** A member has mapped the file; after the last one it needs no name any more. */
  synchronized void mapped() throws IOException {
    if (++mapped == members) {
      Files.deleteIfExists(path);
    }
  }

  /** Keeps the mapping for a while, unless it is gone: then false. */
  synchronized boolean enter() {
    if (closed) {
      return false;
    }
    users++;
    return true;
  }

  synchronized void leave() {
    if (--users == 0) {
      closed = true;
      HERE.remove(key, this);
      try {
        Files.deleteIfExists(path);
      } catch (IOException gone) {
        // the folder itself was removed
      }
      for (MappedByteBuffer window : windows) {
        unmap(window);
      }
    }
  }

  private static void unmap(MappedByteBuffer buffer) {
    try {
      Class<?> type = Class.forName("sun.misc.Unsafe");
      Field instance = type.getDeclaredField("theUnsafe");
      instance.setAccessible(true);
      Method clean = type.getMethod("invokeCleaner", ByteBuffer.class);
      clean.invoke(instance.get(null), buffer);
    } catch (ReflectiveOperationException unavailable) {
      // then the garbage collector does it
    }
  }

  private MappedByteBuffer window(long offset, long length) {
    if (offset < 0 || length < 0 || length > LARGEST || offset + length > size) {
      throw new IndexOutOfBoundsException("bytes " + offset + " to " + (offset + length) + " of an arena of " + size);
    }
    return windows[(int) Math.min(offset / STRIDE, windows.length - 1)];
  }

  /** The memory itself. */
  ByteBuffer view(long offset, long length) {
    return window(offset, length).slice((int) (offset % STRIDE), (int) length);
  }

  void read(long offset, byte[] out, int at, int length) {
    window(offset, length).get((int) (offset % STRIDE), out, at, length);
  }

  void write(long offset, ByteBuffer data, int length) {
    MappedByteBuffer window = window(offset, length);
    window.put((int) (offset % STRIDE), data, data.position(), length);
    data.position(data.position() + length);
  }
}
