package org.sparkdl.bridge;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import org.apache.spark.network.buffer.ManagedBuffer;
import org.apache.spark.network.buffer.NioManagedBuffer;
import org.apache.spark.network.shuffle.DownloadFile;
import org.apache.spark.network.shuffle.DownloadFileManager;
import org.apache.spark.network.shuffle.DownloadFileWritableChannel;
import org.apache.spark.network.util.TransportConf;

/**
 * Where the bytes of one block go. Spark can stream a block into a file as it comes, and here the "file" is the tasks'
 * own memory: each 64 KiB are copied while they are still in the processor's cache, and the block is never whole in the
 * JVM. Small blocks arrive sooner in one message, and are then written here too.
 */
final class Landing implements DownloadFileManager, DownloadFile, DownloadFileWritableChannel {
  private final Pull pull;
  private final Pull.Target target;
  private ByteArrayOutputStream all; // of a piece of unknown length
  private int piece;
  private long at; // in that piece
  private long size;

  Landing(Pull pull, Pull.Target target) {
    this.pull = pull;
    this.target = target;
  }

  @Override
  public int write(ByteBuffer data) {
    int given = data.remaining();
    size += given;
    while (data.hasRemaining() && piece < target.pieces.length) {
      Pull.Piece to = target.pieces[piece];
      int bytes = (int) (to.length < 0 ? data.remaining() : Math.min(to.length - at, data.remaining()));
      if (bytes == 0) {
        piece++;
        at = 0;
      } else {
        put(to, data, bytes);
        at += bytes;
      }
    }
    data.position(data.limit()); // more than was expected: Pull says so, once all of it is there
    return given;
  }

  private void put(Pull.Piece to, ByteBuffer data, int bytes) {
    if (to.arena != null) {
      pull.write(to.arena, to.offset + at, data, bytes);
    } else if (to.length < 0) {
      all = all == null ? new ByteArrayOutputStream() : all;
      byte[] part = new byte[bytes];
      data.get(part);
      all.writeBytes(part);
    } else {
      if (at == 0) {
        target.inline[piece] = new byte[Math.toIntExact(to.length)];
      }
      data.get(target.inline[piece], (int) at, bytes);
    }
  }

  /** The bytes that came; what was to be sent on in the reply is complete. */
  long size() {
    for (int i = 0; i < target.pieces.length; i++) {
      if (target.pieces[i].arena == null && target.inline[i] == null) {
        target.inline[i] = all == null ? new byte[0] : all.toByteArray();
      }
    }
    return size;
  }

  @Override
  public DownloadFile createTempFile(TransportConf conf) {
    piece = 0; // Spark tries again after the connection broke: all bytes come once more
    at = 0;
    size = 0;
    all = null;
    return this;
  }

  @Override
  public DownloadFileWritableChannel openForWriting() {
    return this;
  }

  @Override
  public ManagedBuffer closeAndRead() {
    return new NioManagedBuffer(ByteBuffer.allocate(0));
  }

  @Override
  public boolean registerTempFileToClean(DownloadFile file) {
    return true; // nothing to delete
  }

  @Override
  public boolean delete() {
    return true;
  }

  @Override
  public String path() {
    return target.name;
  }

  @Override
  public boolean isOpen() {
    return true;
  }

  @Override
  public void close() throws IOException {}
}
