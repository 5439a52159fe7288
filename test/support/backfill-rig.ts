/**
 * A live application and its backfills on a log in memory, under a simulated clock: two source topics whose partitions
 * are merged, event ids remembered for a while, lists per window in which order shows.
 */
import { planBackfill } from '../../src/jobs/backfill/plan-backfill.ts'
import { runBackfill, type RunSpec } from '../../src/jobs/backfill/run-backfill.ts'
import type { BackfillRecord } from '../../src/jobs/backfill/backfill-record.ts'
import type { BackfillRequest } from '../../src/jobs/backfill/plan-spec.ts'
import { createInMemoryLog } from '../../src/log/embedded/index.ts'
import type { Log } from '../../src/log/log.ts'
import { RecordBatchBuilder } from '../../src/log/record-batch-builder.ts'
import type { StreamsConfigInput } from '../../src/runtime/config.ts'
import { StreamsApp } from '../../src/runtime/streams-app.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import { MemoryStateDirectory } from '../../src/state/memory-directory.ts'
import { SeededRandom } from '../../src/testing/seeded-random.ts'
import { SimulatedClock } from '../../src/testing/simulated-clock.ts'
import { TimeWindows } from '../../src/time/windows.ts'
import { Stores } from '../../src/topology/stores.ts'
import { StreamsBuilder } from '../../src/topology/streams-builder.ts'
import type { Topology } from '../../src/topology/topology.ts'
import { readTopic, type ReadRecord } from './read-topic.ts'

export const PARTITIONS = 2
export const SOURCES = ['a', 'b'] as const
/** Of every rig. */
export const PLACE = { applicationId: 'live' } as const

/** How the topology is cut. */
export interface RigWindows {
  readonly sizeMs: number
  readonly graceMs: number
  /** Of a second operator behind a repartition; none by default. */
  readonly outerMs?: number
  /** Whether ids that came before are dropped; they are by default. */
  readonly once?: boolean
}

/** A record to be written. */
export interface RigRecord {
  readonly topic: string
  readonly partition: number
  readonly key: string
  /** What no JSON can be read from is a dead letter. */
  readonly value: string
  readonly timeMs: number
}

interface Item {
  readonly id: string
  readonly t: number
}

/** `seen` gets the ids that the topology's side effect is called for, and those that `process` sees as a replay. */
export function rigTopology(
  { sizeMs, graceMs, outerMs, once = true }: RigWindows,
  seen: string[] = [],
): Topology {
  const builder = new StreamsBuilder()
  if (once) {
    builder.addStateStore(
      Stores.keyValueStore({
        name: 'ids',
        key: Serdes.string(),
        value: Serdes.double(),
        ttlMs: sizeMs + graceMs,
      }),
    )
  }
  const inputs = SOURCES.map((topic) =>
    builder.stream<string, Item>(topic, {
      name: `from-${topic}`,
      key: Serdes.string(),
      value: Serdes.json<Item>(),
      timestamp: ({ t }) => t,
    }),
  )
  const all = inputs[0]!
    .merge(inputs[1]!)
    .peek((_key, { id }) => void seen.push(id), { name: 'tell', sideEffect: true })
  const items = once
    ? all.processValues<Item>(
        () => ({
          process({ value }, context) {
            if (context.record.isReplay) seen.push(`replayed ${value.id}`)
            const ids = context.keyValueStore<string, number>('ids')
            if (ids.get(value.id) !== undefined) return
            ids.put(value.id, value.t)
            context.forward(value)
          },
        }),
        { name: 'once', stores: ['ids'] },
      )
    : all
  const lists = items
    .groupByKey({ key: Serdes.string(), value: Serdes.json<Item>() })
    .windowedBy(TimeWindows.ofSizeAndGrace(sizeMs, graceMs))
    .aggregate<string>(
      () => '',
      (_key, { id }, list) => (list === '' ? id : `${list} ${id}`),
      { name: 'lists', value: Serdes.json<string>() },
    )
    .toStream()
    .map<string, string>(({ key, window }, list) => [key, `${window.startMs}: ${list}`], { name: 'flat' })
  const outer =
    outerMs === undefined
      ? lists
      : lists
          .groupByKey({ key: Serdes.string(), value: Serdes.json<string>() })
          .windowedBy(TimeWindows.ofSizeAndGrace(outerMs, 0))
          .aggregate<string>(
            () => '',
            (_key, list, lists) => `${lists}[${list}]`,
            { name: 'outer', value: Serdes.json<string>() },
          )
          .toStream(({ key, window }) => `${key}@${window.startMs}`)
  outer.to('out', { name: 'out', key: Serdes.string(), value: Serdes.json<string>() })
  return builder.build()
}

/** Simulated time passes in small steps until `work` has ended. */
const DRIVE_STEP_MS = 5
const DRIVE_MS_MAX = 300_000

export class BackfillRig {
  readonly clock = new SimulatedClock()
  readonly random = new SeededRandom(7)
  readonly log: Log = createInMemoryLog({ clock: this.clock, random: this.random })
  readonly topology: Topology
  readonly config: StreamsConfigInput
  /** Ids that the side effect of the topology was called for, live and in backfills. */
  readonly told: string[] = []
  readonly windows: RigWindows
  private live: StreamsApp | undefined
  private ended: Promise<void> = Promise.resolve()
  private readonly state = new MemoryStateDirectory('live')
  private readonly backfillState = new Map<string, MemoryStateDirectory>()

  constructor(windows: RigWindows, config: Partial<StreamsConfigInput> = {}) {
    this.windows = windows
    this.topology = rigTopology(windows, this.told)
    this.config = { ...PLACE, maxFutureSkewMs: null, commitIntervalMs: 1_000, ...config }
  }

  async begin(): Promise<void> {
    await this.drive(this.log.createTopics(SOURCES.map((name) => ({ name, partitions: PARTITIONS }))))
  }

  /** Starts the application, or a bounded run of it. */
  async start(bounded?: { readonly flush: boolean }): Promise<void> {
    const { topology, config, log, clock, random, state } = this
    const spec = { topology, config, log, clock, random, directory: unclosed(state) }
    this.live = new StreamsApp(bounded === undefined ? spec : { ...spec, bounded })
    this.ended = this.live.run()
    this.ended.catch(() => undefined)
    if (bounded !== undefined) await this.drive(this.ended)
    else await this.clock.advance(200)
  }

  async stop(): Promise<void> {
    await this.drive(this.live?.stop() ?? Promise.resolve())
    await this.drive(this.ended)
    this.live = undefined
  }

  async write(records: readonly RigRecord[]): Promise<void> {
    if (records.length === 0) return
    const batches = new Map<string, { topic: string; partition: number; records: RecordBatchBuilder }>()
    for (const { topic, partition, key, value, timeMs } of records) {
      const name = `${topic}/${partition}`
      const batch = batches.get(name) ?? { topic, partition, records: new RecordBatchBuilder() }
      batches.set(name, batch)
      batch.records.append(timeMs, key, value)
    }
    const producer = await this.drive(this.log.producer({ transactionalId: 'feeder' }))
    producer.begin()
    await this.drive(producer.send([...batches.values()]))
    await this.drive(producer.commit())
    await this.drive(producer.close())
  }

  plan(
    request: Partial<BackfillRequest> & Pick<BackfillRequest, 'id' | 'range'>,
    topology = this.topology,
  ): Promise<BackfillRecord> {
    const { log, clock, config } = this
    const whole = { late: 'as-live', keys: null, ratePerSecond: null, ...request } as const
    const spec = { ...PLACE, log, clock, config, topology, settings: {}, freeBytes: undefined }
    return this.drive(planBackfill({ ...spec, request: whole }))
  }

  /** Runs a backfill; `stopAfterMs` ends it in the middle, as a signal would. */
  async run(
    id: string,
    more: Partial<RunSpec> & { readonly stopAfterMs?: number } = {},
  ): Promise<BackfillRecord> {
    const { log, clock, random, config, topology } = this
    const directory = this.backfillState.get(id) ?? new MemoryStateDirectory(id)
    this.backfillState.set(id, directory)
    const stopping = new AbortController()
    if (more.stopAfterMs !== undefined) clock.schedule(more.stopAfterMs, () => stopping.abort())
    return this.drive(
      runBackfill({
        ...PLACE,
        ...{ log, clock, random, id, config, topology, worked: topology },
        directory: unclosed(directory),
        ratePerSecond: undefined,
        maxLiveLag: undefined,
        signal: stopping.signal,
        ...more,
      }),
    )
  }

  read(topic: string): Promise<ReadRecord[][]> {
    return this.drive(readTopic(this.log, topic))
  }

  async drive<T>(work: Promise<T>): Promise<T> {
    let ended = false
    const watched = work.finally(() => (ended = true))
    watched.catch(() => undefined)
    await this.clock.runUntilIdle()
    for (let ms = 0; !ended && ms < DRIVE_MS_MAX; ms += DRIVE_STEP_MS) await this.clock.advance(DRIVE_STEP_MS)
    if (!ended) throw new Error('it does not end')
    return watched
  }
}

/** State that outlives the application that had it open, as a folder does. */
function unclosed(directory: MemoryStateDirectory): MemoryStateDirectory {
  return new Proxy(directory, {
    get: (target, name) => {
      if (name === 'close') return () => Promise.resolve()
      const value = Reflect.get(target, name) as unknown
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}
