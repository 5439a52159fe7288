package millrace.peer;

/** The result of the window [windowStart, windowEnd) of one sensor. */
record Aggregate(
    String sensorId,
    long windowStart,
    long windowEnd,
    long count,
    double sum,
    double min,
    double max,
    double mean,
    long deviated,
    long synthetic) {

  static Aggregate of(String sensorId, long windowStart, long windowEnd, Statistics statistics) {
    return new Aggregate(
        sensorId,
        windowStart,
        windowEnd,
        statistics.count,
        statistics.sum,
        statistics.min,
        statistics.max,
        statistics.sum / statistics.count,
        statistics.deviated,
        statistics.synthetic);
  }
}
