/** All serdes under one name, as Kafka Streams' `Serdes`. */
import { bytesSerde } from './bytes-serde.ts'
import { jsonSerde, type JsonSerdeOptions } from './json-serde.ts'
import { doubleSerde, int32Serde, int64Serde } from './number-serdes.ts'
import type { Serde } from './serde.ts'
import { stringSerde } from './string-serde.ts'
import { timeWindowedSerde, type WindowedKey } from './time-windowed-serde.ts'

/** Serdes by name: `Serdes.string()`, `Serdes.json<Reading>()`. All are stateless and may be shared. */
export const Serdes = {
  /** Text as UTF-8; see `stringSerde`. */
  string: (): Serde<string> => stringSerde,
  /** JSON as UTF-8; see `jsonSerde`. */
  json: <T>(options?: JsonSerdeOptions<T>): Serde<T> => jsonSerde(options),
  /** Bytes as they are; see `bytesSerde`. */
  bytes: (): Serde<Buffer> => bytesSerde,
  /** Kafka's Double; see `doubleSerde`. */
  double: (): Serde<number> => doubleSerde,
  /** Kafka's Long, as `bigint`; see `int64Serde`. */
  int64: (): Serde<bigint> => int64Serde,
  /** Keys of windowed results; see `timeWindowedSerde`. */
  timeWindowed: <K>(inner: Serde<K>, sizeMs: number): Serde<WindowedKey<K>> =>
    timeWindowedSerde(inner, sizeMs),
  /** Kafka's Integer; see `int32Serde`. */
  int32: (): Serde<number> => int32Serde,
} as const
