package org.sparkdl.bridge;

import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.core.LogEvent;
import org.apache.logging.log4j.core.Logger;
import org.apache.logging.log4j.core.filter.AbstractFilter;

/**
 * Keeps one line out of executors' logs: Spark's INFO "Block ... stored as bytes in memory" for blocks of this library,
 * which would be written several times per training step. Every other line, and every other block's, is as before.
 */
final class Quiet extends AbstractFilter {
  private static final String STORE = "org.apache.spark.storage.memory.MemoryStore";
  private static final String START = "Block broadcast_";
  private static final int DIGITS = 19; // of a run's number: Spark's own never get that long

  private Quiet() {}

  static void install() {
    try {
      ((Logger) LogManager.getLogger(STORE)).addFilter(new Quiet());
    } catch (LinkageError | ClassCastException otherLogging) {
      // then the lines are written
    }
  }

  @Override
  public Result filter(LogEvent event) {
    if (event.getLevel() != Level.INFO || !STORE.equals(event.getLoggerName())) {
      return Result.NEUTRAL;
    }
    String text = event.getMessage().getFormattedMessage();
    int end = START.length() + DIGITS;
    boolean ours = text.startsWith(START) && text.length() > end && text.charAt(end) == '_'
        && text.chars().skip(START.length()).limit(DIGITS).allMatch(Character::isDigit);
    return ours ? Result.DENY : Result.NEUTRAL;
  }
}
