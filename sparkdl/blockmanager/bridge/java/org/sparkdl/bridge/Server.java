package org.sparkdl.bridge;

import java.io.File;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;

/**
 * The socket at which the Python tasks of one JVM knock: a Unix socket of mode 0600 in a folder of mode 0700.
 *
 * <p>There is one per JVM, also where several class loaders hold this class (Spark Connect in local mode): its address is
 * a system property. Every SparkEnv's local folder gets a file "sparkdl-door" with the address; Spark tells a Python
 * worker its executor's folders (SPARK_LOCAL_DIRS), and no two executors share one.
 */
final class Server {
  private static final String PROPERTY = "org.sparkdl.bridge.address";
  private static final String COLD = "org.sparkdl.bridge.cold"; // set where a JVM lives for seconds
  private static final String RENDEZVOUS = "sparkdl-door";
  private static final int LONGEST = 100; // bytes; a Unix socket's path may have about 107

  private Server() {}

  /** The address, after starting the server if this is the first call in this JVM. */
  static String open() throws Exception {
    String address;
    synchronized (System.class) { // the one lock that all class loaders share
      address = System.getProperty(PROPERTY);
      if (address == null || !Files.exists(Path.of(address))) {
        address = start();
        System.setProperty(PROPERTY, address);
      }
    }
    publish(address);
    return address;
  }

  private static String start() throws Exception {
    for (String name : new String[] {"Arena", "Blocks", "Connection", "Counters", "Exchange", "HadoopFiles", "Kept", "Landing", "Lent", "Page", "Pull", "Request"}) {
      Class.forName("org.sparkdl.bridge." + name); // a session's class loader may be closed later
    }
    Path folder = folder();
    Path path = folder.resolve("door");
    ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
    server.bind(UnixDomainSocketAddress.of(path));
    Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("rw-------"));
    Quiet.install();
    daemon("sparkdl-door", () -> accept(server));
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      path.toFile().delete();
      folder.toFile().delete();
    }));
    if (!Boolean.getBoolean(COLD)) {
      daemon("sparkdl-warm-up", () -> Warmup.run(path.toString()));
    }
    return path.toString();
  }

  /** A new folder with a short path: in Spark's local folder where that is short enough, which Spark itself clears. */
  private static Path folder() throws IOException {
    String[] parents = {
      Blocks.manager().diskBlockManager().localDirs()[0].getPath(), System.getProperty("java.io.tmpdir"), "/tmp"
    };
    IOException last = null;
    for (String parent : parents) {
      if (parent.getBytes().length + "/sdl-0123456789012345678/door".length() <= LONGEST) {
        try {
          return Files.createTempDirectory(Path.of(parent), "sdl-",
              PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        } catch (IOException error) {
          last = error;
        }
      }
    }
    throw new IOException("no folder for a socket: all of " + String.join(", ", parents) + " are too long or not writable", last);
  }

  private static void publish(String address) throws IOException {
    File local = Blocks.manager().diskBlockManager().localDirs()[0];
    Path file = local.toPath().resolve(RENDEZVOUS);
    if (Files.exists(file) && Files.readString(file).equals(address)) {
      return;
    }
    Path draft = Files.createTempFile(local.toPath(), RENDEZVOUS, "",
        PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
    Files.writeString(draft, address);
    Files.move(draft, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
  }

  private static void accept(ServerSocketChannel server) {
    while (true) {
      try {
        SocketChannel channel = server.accept();
        daemon("sparkdl-connection", new Connection(channel));
      } catch (IOException closed) {
        return;
      }
    }
  }

  static void daemon(String name, Runnable work) {
    Thread thread = new Thread(work, name);
    thread.setDaemon(true);
    thread.start();
  }
}
