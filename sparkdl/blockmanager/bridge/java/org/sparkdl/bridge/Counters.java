package org.sparkdl.bridge;

import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;

/** What this JVM has done for one run; fetched means: from another block manager. */
final class Counters {
  private static final ConcurrentHashMap<Long, Counters> RUNS = new ConcurrentHashMap<>();

  final LongAdder blocksPut = new LongAdder();
  final LongAdder bytesPut = new LongAdder();
  final LongAdder blocksFetched = new LongAdder();
  final LongAdder bytesFetched = new LongAdder();
  final LongAdder polls = new LongAdder();
  private int users;

  /** The run's counters, kept until every caller has called {@link #leave}. */
  static Counters join(long run) {
    return RUNS.compute(run, (key, known) -> {
      Counters counters = known == null ? new Counters() : known;
      counters.users++;
      return counters;
    });
  }

  /** True if that was the last user. */
  static boolean leave(long run) {
    return RUNS.computeIfPresent(run, (key, counters) -> --counters.users == 0 ? null : counters) == null;
  }
}
