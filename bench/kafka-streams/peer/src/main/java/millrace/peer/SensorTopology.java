package millrace.peer;

import java.time.Duration;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.common.utils.Utils;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.EmitStrategy;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.Suppressed.BufferConfig;
import org.apache.kafka.streams.kstream.TimeWindowedKStream;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.WindowStore;

/** readings → without duplicates → by sensor → windows → statistics → aggregates; final results only. */
final class SensorTopology {
  /**
   * How long windows are kept. By default it would be window and grace, which would cost the peer seconds: the first
   * fetch of closed windows goes through the cache from 1970 on, in segments of half the retention.
   */
  private static final Duration RETENTION = Duration.ofDays(1);

  private final Properties settings;
  private final Duration window;
  private final Duration grace;

  SensorTopology(Properties settings) {
    this.settings = settings;
    window = Duration.ofMillis(number("window.ms"));
    grace = Duration.ofMillis(number("grace.ms"));
  }

  Topology build(Properties streams) {
    StreamsBuilder builder = new StreamsBuilder();
    KStream<String, Reading> readings =
        builder.stream(
            text("input"),
            Consumed.with(Serdes.String(), readingSerde())
                .withTimestampExtractor((record, time) -> ((Reading) record.value()).timestamp()));
    if (flag("deduplicate")) readings = withoutDuplicates(builder, readings);
    boolean suppress = text("emit").equals("suppress");
    TimeWindowedKStream<String, Reading> windows =
        readings
            .groupByKey(Grouped.with(Serdes.String(), readingSerde()))
            .windowedBy(TimeWindows.ofSizeAndGrace(window, grace));
    if (!suppress) windows = windows.emitStrategy(EmitStrategy.onWindowClose());
    KTable<Windowed<String>, Statistics> table = aggregate(windows);
    if (suppress) table = table.suppress(Suppressed.untilWindowCloses(BufferConfig.unbounded()));
    table
        .toStream()
        .map(SensorTopology::toResult)
        .to(
            text("output"),
            Produced.with(Serdes.String(), aggregateSerde())
                .withStreamPartitioner((topic, key, aggregate, count) -> partitionOf(aggregate, count)));
    return builder.build(streams);
  }

  private KTable<Windowed<String>, Statistics> aggregate(TimeWindowedKStream<String, Reading> windows) {
    double low = Double.parseDouble(text("valid.low"));
    double high = Double.parseDouble(text("valid.high"));
    return windows.aggregate(
        Statistics::new,
        (sensor, reading, statistics) -> statistics.add(reading, low, high),
        Materialized.<String, Statistics, WindowStore<Bytes, byte[]>>as("statistics")
            .withKeySerde(Serdes.String())
            .withValueSerde(Statistics.serde())
            .withRetention(RETENTION)
            .withCachingEnabled());
  }

  private KStream<String, Reading> withoutDuplicates(
      StreamsBuilder builder, KStream<String, Reading> readings) {
    Duration remembered = window.plus(grace);
    var store =
        Stores.windowStoreBuilder(
            Stores.persistentWindowStore(Deduplicate.STORE, remembered, remembered, false),
            Serdes.String(),
            Serdes.ByteArray());
    builder.addStateStore(flag("deduplicate.cache") ? store.withCachingEnabled() : store);
    return readings.processValues(Deduplicate::new, Deduplicate.STORE);
  }

  private static KeyValue<String, Aggregate> toResult(Windowed<String> key, Statistics statistics) {
    long start = key.window().start();
    Aggregate aggregate = Aggregate.of(key.key(), start, key.window().end(), statistics);
    return KeyValue.pair(key.key() + "@" + start, aggregate);
  }

  /** The partition of the sensor, as the readings have it. */
  private static Optional<Set<Integer>> partitionOf(Aggregate aggregate, int count) {
    return Optional.of(
        Set.of(Utils.toPositive(Utils.murmur2(Utils.utf8(aggregate.sensorId()))) % count));
  }

  private Serde<Reading> readingSerde() {
    Deserializer<Reading> deserializer =
        avro() ? AvroFormat.readings((int) number("avro.reading.id")) : JsonFormat.readings();
    return Serdes.serdeFrom(never(), deserializer);
  }

  private Serde<Aggregate> aggregateSerde() {
    Serializer<Aggregate> serializer =
        avro() ? AvroFormat.aggregates((int) number("avro.aggregate.id")) : JsonFormat.aggregates();
    return Serdes.serdeFrom(serializer, (topic, bytes) -> null);
  }

  /** Readings are only read. */
  private static Serializer<Reading> never() {
    return (topic, reading) -> {
      throw new UnsupportedOperationException();
    };
  }

  private boolean avro() {
    return text("format").equals("avro");
  }

  private boolean flag(String name) {
    return Boolean.parseBoolean(text(name));
  }

  private long number(String name) {
    return Long.parseLong(text(name));
  }

  private String text(String name) {
    String value = settings.getProperty(name);
    if (value == null) throw new IllegalArgumentException("the setting " + name + " is missing");
    return value;
  }
}
