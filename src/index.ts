/**
 * millrace: a Kafka Streams-style stream processor for Node.
 *
 * This file is the public API; everything else may change. Tests of topologies use `millrace/testing`.
 */

// Writing a topology
export { StreamsBuilder } from './topology/streams-builder.ts'
export type { KStream } from './topology/kstream.ts'
export type { KTable } from './topology/ktable.ts'
export type { KGroupedStream } from './topology/grouped-stream.ts'
export type { TimeWindowedKStream } from './topology/windowed-stream.ts'
export type { Branches, BranchedKStream } from './topology/branched-stream.ts'
export type {
  AggregateOptions,
  Consumed,
  Grouped,
  Materialized,
  ProcessOptions,
  Produced,
  Repartitioned,
  WindowedOptions,
} from './topology/dsl-options.ts'
export type { Aggregator, Initializer, Reducer } from './topology/aggregations.ts'
export type { KeyValue, KeyValueMapper, ValueMapper } from './topology/operators/map.ts'
export type { Predicate } from './topology/operators/filter.ts'
export type { RxSegment } from './topology/operators/rx-segment.ts'
export type {
  FixedKeyProcessor,
  FixedKeyProcessorContext,
  FixedKeyProcessorSupplier,
  Processor,
  ProcessorContext,
  ProcessorSupplier,
} from './topology/processor.ts'
export type { Counter } from './topology/stage-context.ts'
export type { Header, RecordContext, StreamRecord } from './topology/stream-record.ts'
export type { ErrorAction, ErrorPolicy, RetryPolicy, StageOptions } from './topology/error-policy.ts'
export { Stores, type KeyValueStoreSpec, type StoreSpec, type WindowStoreSpec } from './topology/stores.ts'
export type { KeyValueStore, WindowStore } from './state/state-store.ts'

// Event time
export { isEventTime, MAX_EVENT_TIME_MS, TimeWindows, type Window, type Windowed } from './time/windows.ts'
export { EmitStrategy } from './time/emit-strategy.ts'
export type { LateReason } from './time/lateness.ts'

// Bytes and values
export { Serdes } from './serde/serdes.ts'
export type { Lookup, Serde } from './serde/serde.ts'
export { anyAvroSerde, openAvroSerde, type AvroSerdeOptions } from './serde/avro-serde.ts'
export { ConfluentRegistry, type ConfluentRegistryOptions } from './serde/confluent-registry.ts'
export type {
  Compatibility,
  RegisteredSchema,
  SchemaRegistry,
  SubjectVersion,
} from './serde/schema-registry.ts'
export type { JsonSerdeOptions } from './serde/json-serde.ts'

// A topology as data
export type { Topology, SubTopology, TopologyNode } from './topology/topology.ts'
export {
  describeAsText,
  describeTopology,
  type NodeDescription,
  type SubTopologyDescription,
  type TopologyDescription,
} from './topology/describe.ts'
export { describeAsMermaid } from './topology/mermaid.ts'

// Running it
export { StreamsApp, type StreamsAppSpec } from './runtime/streams-app.ts'
export { configTable, parseConfig, type ConfigRow } from './runtime/config.ts'
export type { StreamsConfig, StreamsConfigInput } from './runtime/config.ts'
export type { StreamsEvent } from './runtime/events.ts'
export type { AppState } from './runtime/app-state.ts'
export type { Counts } from './runtime/counters.ts'
export { CLOSED_BY, DEAD_LETTER, INGESTED_AT, LATE } from './runtime/header-names.ts'

// The log and where state is kept
export type {
  FetchedChunk,
  GroupDescription,
  Log,
  LogProducer,
  LogReader,
  Offset,
  PartitionOffset,
  TopicDescription,
  TopicLimits,
  TopicPartition,
  TopicSettings,
  TopicSpec,
} from './log/log.ts'
export { RecordBatchBuilder, type RecordHeader } from './log/record-batch-builder.ts'
export { RecordCursor } from './log/record-cursor.ts'
export { murmur2, partitionForKey } from './log/partitioner.ts'
export {
  createInMemoryBroker,
  createInMemoryLog,
  EmbeddedLog,
  openEmbeddedLog,
  type OpenEmbeddedLogOptions,
} from './log/embedded/index.ts'
export { openKafkaLog, type Compression, type KafkaLogOptions, type KafkaSasl } from './log/kafka/index.ts'
export type { StateDirectory } from './state/backend.ts'
export { LevelStateDirectory } from './state/level-directory.ts'
export { MemoryStateDirectory } from './state/memory-directory.ts'

// Time and chance as arguments
export { systemClock, systemRandom, type Clock, type Random, type Timer } from './clock.ts'

// Errors
export {
  AbortableError,
  codeOf,
  ConfigError,
  CorruptedStateError,
  FatalError,
  FencedError,
  messageOf,
  MillraceError,
  RecordError,
  RetriableError,
  StateMismatchError,
  TopologyError,
  UnknownOutcomeError,
} from './errors.ts'
