package org.sparkdl.bridge;

import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.spark.sql.api.java.UDF1;
import org.apache.spark.storage.BlockId;
import org.apache.spark.storage.BlockManagerId;
import scala.jdk.javaapi.CollectionConverters;

/**
 * The way into a running session: a SQL function that takes a command and answers with a string.
 *
 * <p>Over rows of a DataFrame it runs in executors, over a VALUES row inside the driver, without a task. Only "open"
 * changes the JVM it runs in; all other commands go through the block manager's master and may run anywhere.
 *
 * <pre>
 * open n             start the door of this JVM; answers executor, host, port, socket path
 * executors          ids of all executors that have a block manager
 * slots              how many tasks of the default resource profile can run at once (driver only)
 * blocks             every block id of every block manager
 * drop RUN           remove the run's blocks everywhere
 * notes RUN SIZE     the tasks' notes, one line each, Base64; empty where there is none
 * </pre>
 */
public final class Door implements UDF1<String, String> {
  @Override
  public String call(String command) throws Exception {
    String[] words = command.split(" ");
    switch (words[0]) {
      case "open":
        return open();
      case "executors":
        return CollectionConverters.asJava(Blocks.manager().master().getMemoryStatus()).keySet().stream()
            .map(BlockManagerId::executorId)
            .collect(Collectors.joining("\n"));
      case "slots": {
        org.apache.spark.SparkContext context = org.apache.spark.SparkContext.getOrCreate();
        return Integer.toString(
            context.maxNumConcurrentTasks(context.resourceProfileManager().defaultResourceProfile()));
      }
      case "blocks":
        return blocks();
      case "drop":
        Blocks.manager().master().removeBroadcast(Long.parseLong(words[1]), true, true);
        return "";
      case "notes":
        return notes(Long.parseLong(words[1]), Integer.parseInt(words[2]));
      default:
        throw new IllegalArgumentException("the door knows no command '" + words[0] + "'");
    }
  }

  private static String open() throws Exception {
    String address = Server.open();
    BlockManagerId me = Blocks.manager().blockManagerId();
    return String.join("\t", me.executorId(), me.host(), Integer.toString(me.port()), address);
  }

  private static String blocks() {
    // A function of Scala's own that is true for every id: executors need not know any class of ours to evaluate it.
    scala.Function1<BlockId, Object> every =
        new scala.collection.immutable.HashMap<BlockId, Object>().withDefaultValue(Boolean.TRUE);
    TreeSet<String> names = new TreeSet<>();
    for (BlockId id : CollectionConverters.asJava(Blocks.manager().master().getMatchingBlockIds(every, true))) {
      names.add(id.name());
    }
    return String.join("\n", names);
  }

  private static String notes(long run, int size) throws Exception {
    StringBuilder lines = new StringBuilder();
    for (int rank = 0; rank < size; rank++) {
      byte[] note = null;
      var places = Blocks.manager().master().getLocations(Blocks.id(run, Page.name(rank)));
      if (!places.isEmpty()) {
        note = Page.note(Blocks.take(places.head(), Blocks.id(run, Page.noteName(rank)), 2_000));
      }
      lines.append(note == null ? "" : new String(Base64.getEncoder().encode(note), StandardCharsets.US_ASCII)).append('\n');
    }
    return lines.toString();
  }
}
