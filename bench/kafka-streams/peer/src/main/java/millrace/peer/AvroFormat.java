package millrace.peer;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serializer;

/**
 * Readings and aggregates as Avro behind Confluent's header (0, then the schema's id). Both schemas are known, so the
 * fields are read and written straight with Avro's binary coders, which is the fastest way that Avro has in Java.
 */
final class AvroFormat {
  private static final int HEADER_BYTES = 5;

  private AvroFormat() {}

  /** Fields: eventId, sensorId, timestamp, temperature, status (null or string), synthetic. */
  static Deserializer<Reading> readings(int schemaId) {
    ThreadLocal<BinaryDecoder> decoders = new ThreadLocal<>();
    return (topic, bytes) -> {
      if (bytes == null) return null;
      if (bytes.length < HEADER_BYTES || bytes[0] != 0 || ByteBuffer.wrap(bytes).getInt(1) != schemaId) {
        throw new SerializationException("not of the schema " + schemaId);
      }
      try {
        BinaryDecoder decoder =
            DecoderFactory.get()
                .binaryDecoder(bytes, HEADER_BYTES, bytes.length - HEADER_BYTES, decoders.get());
        decoders.set(decoder);
        String eventId = decoder.readString();
        String sensorId = decoder.readString();
        long timestamp = decoder.readLong();
        double temperature = decoder.readDouble();
        if (decoder.readIndex() == 1) decoder.skipString();
        return new Reading(eventId, sensorId, timestamp, temperature, decoder.readBoolean());
      } catch (IOException error) {
        throw new SerializationException(error);
      }
    };
  }

  /** Fields in the order of `Aggregate`. */
  static Serializer<Aggregate> aggregates(int schemaId) {
    ThreadLocal<BinaryEncoder> encoders = new ThreadLocal<>();
    return (topic, aggregate) -> {
      ByteArrayOutputStream bytes = new ByteArrayOutputStream(128);
      try {
        bytes.write(ByteBuffer.allocate(HEADER_BYTES).put((byte) 0).putInt(schemaId).array());
        BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(bytes, encoders.get());
        encoders.set(encoder);
        encoder.writeString(aggregate.sensorId());
        encoder.writeLong(aggregate.windowStart());
        encoder.writeLong(aggregate.windowEnd());
        encoder.writeLong(aggregate.count());
        encoder.writeDouble(aggregate.sum());
        encoder.writeDouble(aggregate.min());
        encoder.writeDouble(aggregate.max());
        encoder.writeDouble(aggregate.mean());
        encoder.writeLong(aggregate.deviated());
        encoder.writeLong(aggregate.synthetic());
        encoder.flush();
      } catch (IOException error) {
        throw new UncheckedIOException(error);
      }
      return bytes.toByteArray();
    };
  }
}
