package millrace.peer;

import org.apache.kafka.streams.processor.api.FixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyProcessorContext;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.state.WindowStore;

/**
 * Passes each event id on once. A repeated reading is the same reading and so has the same event time; the id is
 * therefore looked up at that time, by one read of one key, which is cheaper than the usual scan over a span of time.
 * The window store forgets ids by dropping whole segments.
 */
final class Deduplicate implements FixedKeyProcessor<String, Reading, Reading> {
  static final String STORE = "seen";

  private static final byte[] SEEN = {1};

  private FixedKeyProcessorContext<String, Reading> context;
  private WindowStore<String, byte[]> seen;

  @Override
  public void init(FixedKeyProcessorContext<String, Reading> context) {
    this.context = context;
    seen = context.getStateStore(STORE);
  }

  @Override
  public void process(FixedKeyRecord<String, Reading> record) {
    Reading reading = record.value();
    if (seen.fetch(reading.eventId(), reading.timestamp()) != null) return;
    seen.put(reading.eventId(), SEEN, reading.timestamp());
    context.forward(record);
  }
}
