package millrace.peer;

import java.io.IOException;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;

/**
 * Runs the aggregator until it is killed or a thread fails. One argument: a file of properties. Those that begin with
 * `streams.` are settings of Kafka Streams, the others are read by `SensorTopology`.
 */
public final class Main {
  private static final String STREAMS = "streams.";

  private Main() {}

  public static void main(String[] args) throws IOException, InterruptedException {
    Properties settings = new Properties();
    try (Reader reader = Files.newBufferedReader(Path.of(args[0]))) {
      settings.load(reader);
    }
    Properties streams = new Properties();
    for (String name : settings.stringPropertyNames()) {
      if (name.startsWith(STREAMS)) {
        streams.put(name.substring(STREAMS.length()), settings.getProperty(name));
      }
    }
    streams.put(StreamsConfig.ROCKSDB_CONFIG_SETTER_CLASS_CONFIG, RocksDbSettings.class);
    CountDownLatch failed = new CountDownLatch(1);
    KafkaStreams application = new KafkaStreams(new SensorTopology(settings).build(streams), streams);
    application.setUncaughtExceptionHandler(
        error -> {
          error.printStackTrace();
          failed.countDown();
          return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
    application.setStateListener((state, before) -> System.out.println("state " + state));
    Runtime.getRuntime().addShutdownHook(new Thread(application::close));
    application.start();
    failed.await();
    System.exit(1);
  }
}
