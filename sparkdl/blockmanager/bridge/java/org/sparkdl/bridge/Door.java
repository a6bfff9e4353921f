package org.sparkdl.bridge;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Collectors;
import org.apache.spark.SparkContext;
import org.apache.spark.SparkEnv;
import org.apache.spark.TaskContext;
import org.apache.spark.sql.api.java.UDF1;
import org.apache.spark.storage.BlockId;
import org.apache.spark.storage.BlockManagerId;
import scala.jdk.javaapi.CollectionConverters;

/**
 * The way into a running session: a SQL function that takes a command and answers with a string.
 *
 * <p>Over rows of a DataFrame it runs in executors, over a VALUES row inside the driver, without a task. Only "open"
 * and "here" change the JVM they run in; all other commands go through the block manager's master and may run anywhere.
 *
 * <pre>
 * open n [MS]        start the door of this JVM, after a pause; answers executor, host, port, socket path
 * here n             the same for every row of a stage: costs nothing once the door is open, answers nothing; an error
 *                    where Spark runs the stage again by itself
 * executors          ids of all executors that have a block manager
 * slots              how many tasks of the default resource profile can run at once, and how many could now; whether
 *                    dynamic allocation is on (driver only)
 * blocks             every block id of every block manager; a line "?" where some did not answer
 * hadoop             what the driver's Hadoop configuration has more than the executors' (driver only)
 * drop RUN...        remove the runs' blocks everywhere
 * leave RUN...       the same, without waiting until they are gone
 * kept RUN           names of the run's blocks of which the driver was told, one per copy (driver only)
 * prune RUN START    remove those whose names do not start so, everywhere (driver only)
 * copy RUN START     the driver takes copies of those whose names start so (driver only)
 * notes RUN SIZE     the tasks' notes, one line each, Base64; empty where there is none
 * </pre>
 */
public final class Door implements UDF1<String, String> {
  private static final long PATIENCE = 5; // seconds for executors to answer
  private static volatile SparkEnv at; // where "here" has opened the door

  @Override
  public String call(String command) throws Exception {
    String[] words = command.split(" ");
    switch (words[0]) {
      case "open":
        if (words.length > 2) {
          Thread.sleep(Long.parseLong(words[2]));
        }
        return open();
      case "here":
        checkAttempt();
        if (at != SparkEnv.get()) {
          open();
          at = SparkEnv.get();
        }
        return "";
      case "executors":
        return CollectionConverters.asJava(Blocks.manager().master().getMemoryStatus()).keySet().stream()
            .map(BlockManagerId::executorId)
            .collect(Collectors.joining("\n"));
      case "slots":
        return slots();
      case "hadoop":
        return HadoopFiles.settings();
      case "blocks":
        return blocks();
      case "drop":
        drop(words);
        return "";
      case "leave":
        for (int i = 1; i < words.length; i++) {
          Blocks.manager().master().removeBroadcast(Long.parseLong(words[i]), true, false);
        }
        return "";
      case "kept":
        return String.join("\n", Kept.names(Long.parseLong(words[1])));
      case "prune":
        Kept.prune(Long.parseLong(words[1]), words[2]);
        return "";
      case "copy":
        Kept.copy(Long.parseLong(words[1]), words[2]);
        return "";
      case "notes":
        return notes(Long.parseLong(words[1]), Integer.parseInt(words[2]));
      default:
        throw new IllegalArgumentException("the door knows no command '" + words[0] + "'");
    }
  }

  /**
   * Spark runs a stage once more, as its next attempt, when a task finds shuffled rows gone with their executor. Most
   * of those that it would have to meet have met in the first attempt and gone.
   */
  private static void checkAttempt() {
    TaskContext task = TaskContext.get();
    if (task != null && task.stageAttemptNumber() > 0) {
      throw new IllegalStateException(
          "a task of this stage ended by FetchFailed, with an executor that was lost; only the driver starts another attempt");
    }
  }

  private static String open() throws Exception {
    String address = Server.open();
    BlockManagerId me = Blocks.manager().blockManagerId();
    return String.join("\t", me.executorId(), me.host(), Integer.toString(me.port()), address);
  }

  /** All at once: one executor that does not answer must not keep the others' blocks. */
  private static void drop(String[] words) throws Exception {
    List<FutureTask<String>> drops = new ArrayList<>();
    for (int i = 1; i < words.length; i++) {
      long run = Long.parseLong(words[i]);
      drops.add(new FutureTask<>(() -> {
        try {
          Blocks.manager().master().removeBroadcast(run, true, true);
        } catch (Exception another) { // somebody removed one of these blocks at the same moment
          Blocks.manager().master().removeBroadcast(run, true, true);
        }
        return "";
      }));
      Server.daemon("sparkdl-drop", drops.get(i - 1));
    }
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE);
    for (FutureTask<String> drop : drops) {
      try {
        drop.get(Math.max(deadline - System.nanoTime(), 0), TimeUnit.NANOSECONDS);
      } catch (TimeoutException stopped) {
        // an executor does not answer; it has been told
      }
    }
  }

  /** Asking takes as long as the slowest executor takes to answer: one that is stopped must not stop the driver. */
  private static String blocks() throws Exception {
    TreeSet<String> names = new TreeSet<>();
    for (BlockId id : within(Blocks::everywhere, () -> {
      names.add("?"); // what follows is what the driver was told of, not all there is
      return Blocks.known();
    })) {
      names.add(id.name());
    }
    return String.join("\n", names);
  }

  private static <T> T within(Callable<T> work, Callable<T> otherwise) throws Exception {
    FutureTask<T> task = new FutureTask<>(work);
    Server.daemon("sparkdl-ask", task);
    try {
      return task.get(PATIENCE, TimeUnit.SECONDS);
    } catch (TimeoutException stopped) {
      return otherwise.call();
    }
  }

  /** Slots of all executors, how many of them have no task, whether executors come and go; one per line. */
  private static String slots() {
    SparkContext context = SparkContext.getOrCreate();
    int all = context.maxNumConcurrentTasks(context.resourceProfileManager().defaultResourceProfile());
    int free = 0;
    for (var executor : CollectionConverters.asJava(context.statusStore().executorList(true))) {
      free += Math.max(0, executor.maxTasks() - executor.activeTasks());
    }
    boolean comesAndGoes = org.apache.spark.util.Utils.isDynamicAllocationEnabled(context.conf());
    return all + "\n" + Math.min(all, free) + "\n" + comesAndGoes;
  }

  private static String notes(long run, int size) throws Exception {
    StringBuilder lines = new StringBuilder();
    for (int rank = 0; rank < size; rank++) {
      byte[] note = null;
      var places = Blocks.manager().master().getLocations(Blocks.id(run, Page.name(rank)));
      if (!places.isEmpty()) {
        try {
          note = Page.note(Blocks.take(places.head(), Blocks.id(run, Page.noteName(rank)), 2_000));
        } catch (Exception stalled) {
          // its executor has just ended, or does not answer: then there is no news
        }
      }
      lines.append(note == null ? "" : new String(Base64.getEncoder().encode(note), StandardCharsets.US_ASCII)).append('\n');
    }
    return lines.toString();
  }
}
