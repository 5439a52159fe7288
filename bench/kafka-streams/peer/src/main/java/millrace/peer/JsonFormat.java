package millrace.peer;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.StreamWriteFeature;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serializer;

/** Readings and aggregates as JSON, by Jackson's streaming parser and generator: no tree, no reflection. */
final class JsonFormat {
  private static final JsonFactory FACTORY =
      JsonFactory.builder()
          .enable(StreamReadFeature.USE_FAST_DOUBLE_PARSER)
          .enable(StreamWriteFeature.USE_FAST_DOUBLE_WRITER)
          .build();

  private JsonFormat() {}

  static Deserializer<Reading> readings() {
    return (topic, bytes) -> {
      if (bytes == null) return null;
      try (JsonParser parser = FACTORY.createParser(bytes)) {
        return parseReading(parser);
      } catch (IOException error) {
        throw new SerializationException(error);
      }
    };
  }

  private static Reading parseReading(JsonParser parser) throws IOException {
    String eventId = null;
    String sensorId = null;
    long timestamp = -1;
    double temperature = Double.NaN;
    boolean synthetic = false;
    if (parser.nextToken() != JsonToken.START_OBJECT) throw new SerializationException("no object");
    for (String name; (name = parser.nextFieldName()) != null; ) {
      parser.nextToken();
      switch (name) {
        case "eventId" -> eventId = parser.getText();
        case "sensorId" -> sensorId = parser.getText();
        case "timestamp" -> timestamp = parser.getLongValue();
        case "temperature" -> temperature = parser.getDoubleValue();
        case "synthetic" -> synthetic = parser.currentToken() == JsonToken.VALUE_TRUE;
        default -> parser.skipChildren();
      }
    }
    return new Reading(eventId, sensorId, timestamp, temperature, synthetic);
  }

  static Serializer<Aggregate> aggregates() {
    return (topic, aggregate) -> {
      ByteArrayOutputStream bytes = new ByteArrayOutputStream(256);
      try (JsonGenerator json = FACTORY.createGenerator(bytes)) {
        json.writeStartObject();
        json.writeStringField("sensorId", aggregate.sensorId());
        json.writeNumberField("windowStart", aggregate.windowStart());
        json.writeNumberField("windowEnd", aggregate.windowEnd());
        json.writeNumberField("count", aggregate.count());
        json.writeNumberField("sum", aggregate.sum());
        json.writeNumberField("min", aggregate.min());
        json.writeNumberField("max", aggregate.max());
        json.writeNumberField("mean", aggregate.mean());
        json.writeNumberField("deviated", aggregate.deviated());
        json.writeNumberField("synthetic", aggregate.synthetic());
        json.writeEndObject();
      } catch (IOException error) {
        throw new UncheckedIOException(error);
      }
      return bytes.toByteArray();
    };
  }
}
