import { describe, expect, it } from 'vitest'
import { FatalError, RetriableError } from '../../../src/errors.ts'
import type { FetchedChunk } from '../../../src/log/log.ts'
import { RecordBatchBuilder } from '../../../src/log/record-batch-builder.ts'
import { RecordCursor } from '../../../src/log/record-cursor.ts'
import { InputLookup } from '../../../src/runtime/input-lookup.ts'
import { RecordReader } from '../../../src/runtime/record-reader.ts'
import type { Lookup, Serde } from '../../../src/serde/serde.ts'
import { stringSerde } from '../../../src/serde/string-serde.ts'
import { SeededRandom } from '../../../src/testing/seeded-random.ts'
import { SimulatedClock } from '../../../src/testing/simulated-clock.ts'

/** Texts can be read once they were fetched; `failures` are thrown first, one by each `fetch`. */
class FakeLookup implements Lookup {
  readonly known = new Set<string>()
  readonly fetches: string[][] = []
  failures: Error[] = []
  private readonly wanted = new Set<string>()

  missing(buffer: Buffer, start: number, end: number): boolean {
    const text = buffer.toString('utf8', start, end)
    if (!this.known.has(text)) this.wanted.add(text)
    return !this.known.has(text)
  }

  async fetch(): Promise<void> {
    this.fetches.push([...this.wanted])
    const failure = this.failures.shift()
    if (failure !== undefined) throw failure
    for (const text of this.wanted) this.known.add(text)
    this.wanted.clear()
  }
}

function serdeWith(lookup: Lookup): Serde<unknown> {
  return { name: 'fake', lookup, serialize: String, deserialize: () => 'read' }
}

function readerOf(key: Serde<unknown>, value: Serde<unknown>): RecordReader {
  const spec = { stage: 's', key, value, timestamp: undefined, outOfOrdernessMs: 0 }
  return new RecordReader({ ...spec, maxFutureSkewMs: Infinity, onUncheckedSkew: () => undefined })
}

function chunkOf(...records: (readonly [key: string | null, value: string | null])[]): FetchedChunk {
  const builder = new RecordBatchBuilder()
  for (const [key, value] of records) builder.append(5, key, value)
  const buffer = Buffer.from(
    builder.build({ producerId: -1n, epoch: -1, baseSequence: -1, transactional: false }),
  )
  const batches = { buffer, start: 0, end: buffer.length, fromOffset: 0n }
  const end = BigInt(records.length)
  return { partition: { topic: 't', partition: 0 }, batches, nextOffset: end, end, stable: end, start: 0n }
}

function setUp() {
  const clock = new SimulatedClock()
  const retries: { readonly atMs: number; readonly error: Error }[] = []
  const lookup = new InputLookup({
    clock,
    random: new SeededRandom(1),
    onRetry: (error) => retries.push({ atMs: clock.monotonic(), error }),
  })
  return { clock, retries, lookup }
}

const down = (): Error => new RetriableError('REGISTRY_UNREACHABLE', 'down')

describe('looking up what records need', () => {
  it('asks for everything in a chunk at once, and not again', async () => {
    const values = new FakeLookup()
    const { lookup, retries } = setUp()
    const reader = readerOf(stringSerde, serdeWith(values))
    const { signal } = new AbortController()
    const chunk = chunkOf(['k', 'a'], ['k', 'b'], ['k', null], ['k', 'a'])
    expect(await lookup.prepare(chunk, reader, signal)).toBe(true)
    expect(await lookup.prepare(chunk, reader, signal)).toBe(true)
    expect(values.fetches).toEqual([['a', 'b']])
    expect(retries).toEqual([])
  })

  it('looks at keys too, and fetches once where both have one lookup', async () => {
    const both = new FakeLookup()
    const reader = readerOf(serdeWith(both), serdeWith(both))
    const { signal } = new AbortController()
    await setUp().lookup.prepare(chunkOf(['k', 'v'], [null, 'w']), reader, signal)
    expect(both.fetches).toEqual([['k', 'v', 'w']])
  })

  it('repeats with growing pauses of at most seven and a half seconds, without end', async () => {
    const values = new FakeLookup()
    values.failures = Array.from({ length: 30 }, down)
    const { lookup, retries, clock } = setUp()
    const reader = readerOf(stringSerde, serdeWith(values))
    const prepared = lookup.prepare(chunkOf(['k', 'a']), reader, new AbortController().signal)
    await clock.advance(300_000)
    expect(await prepared).toBe(true)
    expect(retries).toHaveLength(30)
    const pauses = retries.slice(1).map(({ atMs }, index) => atMs - retries[index]!.atMs)
    expect(pauses[0]).toBeGreaterThanOrEqual(50)
    expect(pauses[0]).toBeLessThanOrEqual(151)
    expect(Math.max(...pauses)).toBeLessThanOrEqual(7_501)
    expect(Math.min(...pauses.slice(10))).toBeGreaterThanOrEqual(2_500)
  })

  it('ends when it is aborted, and says that the chunk is not ready', async () => {
    const values = new FakeLookup()
    values.failures = Array.from({ length: 1_000 }, down)
    const { lookup, clock } = setUp()
    const aborting = new AbortController()
    const reader = readerOf(stringSerde, serdeWith(values))
    const prepared = lookup.prepare(chunkOf(['k', 'a']), reader, aborting.signal)
    await clock.advance(1_000)
    aborting.abort()
    expect(await prepared).toBe(false)
  })

  it('passes on what cannot pass', async () => {
    const values = new FakeLookup()
    values.failures = [new FatalError('REGISTRY_DENIED', 'no')]
    const reader = readerOf(stringSerde, serdeWith(values))
    const prepared = setUp().lookup.prepare(chunkOf(['k', 'a']), reader, new AbortController().signal)
    await expect(prepared).rejects.toMatchObject({ code: 'REGISTRY_DENIED' })
  })
})

describe('decoding what was not looked up', () => {
  it('is no failure of the record', () => {
    const value: Serde<unknown> = {
      ...serdeWith(new FakeLookup()),
      deserialize() {
        throw new RetriableError('SCHEMA_NOT_FETCHED', 'not yet')
      },
    }
    const cursor = new RecordCursor()
    cursor.reset(chunkOf(['k', 'a']).batches)
    cursor.next()
    const origin = { channel: 0, topic: 't', partition: 0, isReplay: false }
    expect(() => readerOf(stringSerde, value).readSource(origin, cursor)).toThrow(RetriableError)
  })
})
