package millrace.peer;

import java.nio.ByteBuffer;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;

/**
 * What a window keeps of its readings. Changed in place: the store keeps bytes, so nobody else holds the object. The
 * sum is a plain double, whose last bits depend on the order of the readings.
 */
final class Statistics {
  private static final int BYTES = 6 * Long.BYTES;

  long count;
  double sum;
  double min = Double.POSITIVE_INFINITY;
  double max = Double.NEGATIVE_INFINITY;
  long deviated;
  long synthetic;

  Statistics add(Reading reading, double low, double high) {
    double temperature = reading.temperature();
    count++;
    sum += temperature;
    if (temperature < min) min = temperature;
    if (temperature > max) max = temperature;
    if (temperature < low || temperature > high) deviated++;
    if (reading.synthetic()) synthetic++;
    return this;
  }

  /** 48 bytes. */
  static Serde<Statistics> serde() {
    return Serdes.serdeFrom(serializer(), deserializer());
  }

  private static Serializer<Statistics> serializer() {
    return (topic, statistics) -> {
      if (statistics == null) return null;
      return ByteBuffer.allocate(BYTES)
          .putLong(statistics.count)
          .putDouble(statistics.sum)
          .putDouble(statistics.min)
          .putDouble(statistics.max)
          .putLong(statistics.deviated)
          .putLong(statistics.synthetic)
          .array();
    };
  }

  private static Deserializer<Statistics> deserializer() {
    return (topic, bytes) -> {
      if (bytes == null) return null;
      ByteBuffer buffer = ByteBuffer.wrap(bytes);
      Statistics statistics = new Statistics();
      statistics.count = buffer.getLong();
      statistics.sum = buffer.getDouble();
      statistics.min = buffer.getDouble();
      statistics.max = buffer.getDouble();
      statistics.deviated = buffer.getLong();
      statistics.synthetic = buffer.getLong();
      return statistics;
    };
  }
}
