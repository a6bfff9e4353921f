package org.sparkdl.bridge;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Map;
import java.util.StringJoiner;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileContext;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Options;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.UnsupportedFileSystemException;
import org.apache.spark.SparkContext;
import org.apache.spark.deploy.SparkHadoopUtil;

/** A flat folder of whole files on any file system that Spark reads: its own classes, its own configuration. */
final class HadoopFiles {
  private HadoopFiles() {}

  /** names: one per line; read: the bytes; write: atomic, called half until it is whole; remove: no error if it is gone. */
  static byte[] answer(String what, String where, String name, String half, String settings, byte[] data)
      throws Exception {
    try {
      return work(what, where, name, half, with(settings), data);
    } catch (IOException error) {
      throw new Failure(Failure.BROKEN, error); // as it is, it would mean that the task has gone
    }
  }

  /** What the driver's context has been told since it began, which executors know nothing of: lines of key and value. */
  static String settings() {
    Configuration everywhere = SparkHadoopUtil.get().conf();
    StringJoiner lines = new StringJoiner("\n");
    for (Map.Entry<String, String> entry : SparkContext.getOrCreate().hadoopConfiguration()) {
      if (!entry.getValue().equals(everywhere.getRaw(entry.getKey()))) {
        lines.add(encoded(entry.getKey()) + " " + encoded(entry.getValue()));
      }
    }
    return lines.toString();
  }

  private static Configuration with(String settings) {
    Configuration configuration = SparkHadoopUtil.get().conf();
    if (!settings.isEmpty()) {
      configuration = new Configuration(configuration);
      for (String line : settings.split("\n")) {
        String[] pair = line.split(" ", 2);
        configuration.set(decoded(pair[0]), decoded(pair[1]));
      }
    }
    return configuration;
  }

  private static String encoded(String text) {
    return Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8));
  }

  private static String decoded(String text) {
    return new String(Base64.getDecoder().decode(text), StandardCharsets.UTF_8);
  }

  private static byte[] work(
      String what, String where, String name, String half, Configuration configuration, byte[] data) throws Exception {
    Path folder = new Path(where);
    FileSystem files = folder.getFileSystem(configuration);
    switch (what) {
      case "names":
        return names(files, folder).getBytes(StandardCharsets.UTF_8);
      case "read":
        return read(files, new Path(folder, name));
      case "write":
        write(files, configuration, new Path(folder, half), new Path(folder, name), data);
        return new byte[0];
      case "remove":
        files.delete(new Path(folder, name), false);
        return new byte[0];
      default:
        throw new Failure(Failure.BROKEN, "files: unknown verb " + what);
    }
  }

  private static String names(FileSystem files, Path folder) throws Exception {
    StringJoiner names = new StringJoiner("\n");
    try {
      for (FileStatus status : files.listStatus(folder)) {
        if (status.isFile()) {
          names.add(status.getPath().getName());
        }
      }
    } catch (FileNotFoundException none) {
      return "";
    }
    return names.toString();
  }

  private static byte[] read(FileSystem files, Path path) throws Exception {
    byte[] data = new byte[Math.toIntExact(files.getFileStatus(path).getLen())];
    try (FSDataInputStream in = files.open(path)) {
      in.readFully(0, data);
    }
    return data;
  }

  /** Written aside and renamed over the old one; a file system without such a rename has the old one removed first. */
  private static void write(FileSystem files, Configuration configuration, Path half, Path target, byte[] data)
      throws Exception {
    files.mkdirs(target.getParent());
    try {
      try (FSDataOutputStream out = files.create(half, true)) {
        out.write(data);
        try {
          out.hsync(); // the rename must not be there before the bytes
        } catch (UnsupportedOperationException store) {
          // an object store: the file appears when it is closed
        }
      }
      try {
        FileContext.getFileContext(files.getUri(), configuration).rename(half, target, Options.Rename.OVERWRITE);
      } catch (UnsupportedFileSystemException | UnsupportedOperationException plain) {
        files.delete(target, false);
        if (!files.rename(half, target)) {
          throw new IOException(half + " could not be renamed to " + target);
        }
      }
    } finally {
      files.delete(half, false);
    }
  }
}
