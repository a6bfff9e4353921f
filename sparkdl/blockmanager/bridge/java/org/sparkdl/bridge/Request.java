package org.sparkdl.bridge;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;

/**
 * One message in, one message out, little-endian. In: length of the head (int), length of the body (long), head, body.
 * Out: status (int), length of the head (int), length of the body (long), head, body. The body is bytes of blocks that
 * do not lie in an arena; a string is its length (short) and UTF-8.
 */
final class Request {
  private final SocketChannel channel;
  private ByteBuffer in = direct(64 << 10);
  private ByteBuffer out = direct(64 << 10);
  private long bodyLeft;

  Request(SocketChannel channel) {
    this.channel = channel;
  }

  private static ByteBuffer direct(int size) {
    return ByteBuffer.allocateDirect(size).order(ByteOrder.LITTLE_ENDIAN);
  }

  /** Waits for the next message; false at the end of the stream. */
  boolean next() throws IOException {
    in.clear().limit(12);
    if (channel.read(in) < 0) {
      return false;
    }
    fill(in);
    in.flip();
    int head = in.getInt();
    bodyLeft = in.getLong();
    if (head < 0 || bodyLeft < 0) {
      throw new IOException("a message of " + head + " and " + bodyLeft + " bytes");
    }
    if (head > in.capacity()) {
      in = direct(Math.max(head, 2 * in.capacity()));
    }
    in.clear().limit(head);
    fill(in);
    in.flip();
    out.clear();
    return true;
  }

  private void fill(ByteBuffer buffer) throws IOException {
    while (buffer.hasRemaining()) {
      if (channel.read(buffer) < 0) {
        throw new EOFException();
      }
    }
  }

  byte readByte() {
    return in.get();
  }

  int readInt() {
    return in.getInt();
  }

  long readLong() {
    return in.getLong();
  }

  String readString() {
    byte[] bytes = new byte[Short.toUnsignedInt(in.getShort())];
    in.get(bytes);
    return new String(bytes, StandardCharsets.UTF_8);
  }

  /** The next bytes of the body. */
  void readBody(byte[] data, int at, int length) throws IOException {
    fill(ByteBuffer.wrap(data, at, length));
    bodyLeft -= length;
  }

  /** All that is left of the body. */
  byte[] body() throws IOException {
    byte[] data = new byte[Math.toIntExact(bodyLeft)];
    readBody(data, 0, data.length);
    return data;
  }

  void skipBody() throws IOException {
    byte[] rest = new byte[(int) Math.min(bodyLeft, 1 << 16)];
    while (bodyLeft > 0) {
      readBody(rest, 0, (int) Math.min(bodyLeft, rest.length));
    }
  }

  private ByteBuffer room(int bytes) {
    if (out.remaining() < bytes) {
      ByteBuffer larger = direct(2 * out.capacity() + bytes);
      larger.put(out.flip());
      out = larger;
    }
    return out;
  }

  void writeInt(int value) {
    room(4).putInt(value);
  }

  void writeLong(long value) {
    room(8).putLong(value);
  }

  void writeString(String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    int length = Math.min(bytes.length, 0xFFFF);
    room(2 + length).putShort((short) length).put(bytes, 0, length);
  }

  void reply(int status, Iterable<byte[]> body) throws IOException {
    long length = 0;
    for (byte[] part : body) {
      length += part.length;
    }
    out.flip();
    ByteBuffer start = direct(16).putInt(status).putInt(out.remaining()).putLong(length).flip();
    send(start, out);
    for (byte[] part : body) {
      send(ByteBuffer.wrap(part));
    }
  }

  void refuse(Failure failure) throws IOException {
    skipBody();
    out.clear();
    writeInt(failure.facts.length);
    for (String fact : failure.facts) {
      writeString(fact);
    }
    reply(failure.status, java.util.List.of());
  }

  private void send(ByteBuffer... buffers) throws IOException {
    long left = 0;
    for (ByteBuffer buffer : buffers) {
      left += buffer.remaining();
    }
    while (left > 0) {
      left -= channel.write(buffers);
    }
  }
}
