package org.sparkdl.bridge;

/** What Python is to raise: a status and the facts that its message is made of. */
final class Failure extends Exception {
  static final int BROKEN = 1; // message
  static final int LATE = 2; // kind and step, source rank, newest step seen
  static final int LOST = 3; // block, source rank, reason
  static final int SIZE = 4; // block, source rank, bytes, bytes expected
  static final int ABSENT = 5; // ranks that did not come

  final int status;
  final String[] facts;

  Failure(int status, Object... facts) {
    super(null, null, false, false);
    this.status = status;
    this.facts = new String[facts.length];
    for (int i = 0; i < facts.length; i++) {
      this.facts[i] = String.valueOf(facts[i]);
    }
  }

  static Failure of(Throwable error) {
    Throwable cause = error instanceof java.lang.reflect.InvocationTargetException ? error.getCause() : error;
    return cause instanceof Failure ? (Failure) cause : new Failure(BROKEN, cause);
  }
}
