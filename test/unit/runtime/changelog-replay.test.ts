import { describe, expect, it } from 'vitest'
import { createInMemoryLog } from '../../../src/log/embedded/index.ts'
import type { Log, Offset } from '../../../src/log/log.ts'
import { RecordBatchBuilder } from '../../../src/log/record-batch-builder.ts'
import { replayChangelog, type ReplaySpec } from '../../../src/runtime/changelog-replay.ts'
import type { StateBackend } from '../../../src/state/backend.ts'
import { unseal } from '../../../src/state/envelope.ts'
import { MemoryStateDirectory } from '../../../src/state/memory-directory.ts'
import { SeededRandom } from '../../../src/testing/seeded-random.ts'

const CHANGELOG = { topic: 'app-store-changelog', partition: 0 }
const KEYS = 40
const RECORDS = 3_000
/** Larger than what one fetch takes, all together. */
const VALUE_BYTES = 2_500

type Content = Readonly<Record<string, string>>

/** A changelog, and what a store holds at each offset at which a transaction ended. */
async function makeChangelog(): Promise<{ log: Log; contents: ReadonlyMap<Offset, Content>; end: Offset }> {
  const log = createInMemoryLog()
  const random = new SeededRandom(7)
  await log.createTopics([{ name: CHANGELOG.topic, partitions: 1, settings: { cleanup: 'compact' } }])
  const producer = await log.producer({ transactionalId: 'writer' })
  const contents = new Map<Offset, Content>()
  let content: Record<string, string> = {}
  for (let written = 0; written < RECORDS;) {
    const records = new RecordBatchBuilder()
    const next = { ...content }
    for (const stop = written + 50; written < stop; written++) {
      // Any bytes, so that a key is no text of any encoding.
      const key = Buffer.from([0xff, Math.floor(random.fraction() * KEYS), 0x80])
      const value = Buffer.alloc(Math.floor(random.fraction() * VALUE_BYTES), written)
      const removed = random.fraction() < 0.2
      records.append(written, key, removed ? null : value)
      if (removed) delete next[key.toString('hex')]
      else next[key.toString('hex')] = `${written} ${value.toString('hex')}`
    }
    producer.begin()
    await producer.send([{ ...CHANGELOG, records }])
    const aborts = random.fraction() < 0.1
    await (aborts ? producer.abort() : producer.commit())
    if (!aborts) content = next
    contents.set((await log.offsets('end', [CHANGELOG]))[0]!, content)
  }
  return { log, contents, end: (await log.offsets('end', [CHANGELOG]))[0]! }
}

async function contentOf(backend: StateBackend): Promise<Content> {
  const content: Record<string, string> = {}
  for await (const page of backend.scan()) {
    for (const [key, sealed] of page) {
      const { timestampMs, buffer, start } = unseal(key, sealed)
      expect(key.subarray(0, 6).toString()).toBe('store\0')
      content[key.toString('hex', 6)] = `${timestampMs} ${buffer.toString('hex', start)}`
    }
  }
  return content
}

const { log, contents, end } = await makeChangelog()
const ends = [...contents.keys()]

async function setUp(more: Partial<ReplaySpec> = {}) {
  const backend = await new MemoryStateDirectory().open('0_0')
  const positions: Offset[] = []
  const spec: ReplaySpec = {
    log,
    backend,
    changelog: CHANGELOG,
    store: 'store',
    from: 0n,
    end,
    checkpointAt: (position) => Buffer.from(String(position)),
    onWritten: (position) => void positions.push(position),
    windowRecords: 100,
    ...more,
  }
  return { backend, positions, spec }
}

/** Content and checkpoint belong together, whatever is written and what is not. */
async function expectConsistent(backend: StateBackend): Promise<void> {
  const checkpoint = backend.checkpoint()
  if (checkpoint === undefined) return expect(await contentOf(backend)).toEqual({})
  const position = BigInt(checkpoint.toString())
  // A window may end between two transactions' ends: behind a batch, before its marker.
  const known = contents.get(position) ?? contents.get(position + 1n)
  expect(await contentOf(backend)).toEqual(known)
}

describe('replayChangelog', () => {
  it('brings the state to the newest value of each key, window by window, committed records only', async () => {
    const { backend, positions, spec } = await setUp()
    const replayed = await replayChangelog(spec)
    expect(replayed).toBeLessThan(RECORDS)
    expect(replayed).toBeGreaterThan(RECORDS / 2)
    expect(await contentOf(backend)).toEqual(contents.get(end))
    expect(positions.length).toBeGreaterThan(2)
    expect(positions).toEqual([...positions].sort((a, b) => Number(a - b)))
    expect(positions.at(-1)).toBe(end)
    expect(backend.checkpoint()?.toString()).toBe(String(end))
  })

  it('begins where it is told, and leaves alone what lies behind the end', async () => {
    const [first, second] = [ends[20]!, ends[45]!]
    const { backend, spec } = await setUp({ end: first })
    await replayChangelog(spec)
    expect(await contentOf(backend)).toEqual(contents.get(first))
    await replayChangelog({ ...spec, from: first, end: second })
    expect(await contentOf(backend)).toEqual(contents.get(second))
    expect(backend.checkpoint()?.toString()).toBe(String(second))
  })

  it('writes nothing where there is nothing to be applied', async () => {
    const { backend, spec } = await setUp({ from: end })
    expect(await replayChangelog(spec)).toBe(0)
    expect(backend.checkpoint()).toBeUndefined()
  })

  it.each([1, 2, 3])(
    'that fails at its write number %i leaves a state that its checkpoint tells',
    async (nth) => {
      const { backend, spec } = await setUp()
      let writes = 0
      let busy = false
      const failing: StateBackend = Object.assign(Object.create(backend) as StateBackend, {
        async write(...args: Parameters<StateBackend['write']>) {
          expect(busy).toBe(false)
          busy = true
          await Promise.resolve()
          if (++writes === nth) throw new Error('the disk is full')
          await backend.write(...args)
          busy = false
        },
      })
      await expect(replayChangelog({ ...spec, backend: failing })).rejects.toThrow('the disk is full')
      expect(writes).toBe(nth)
      await expectConsistent(backend)
    },
  )

  it('ends with what the listener throws, and goes on from its checkpoint later', async () => {
    const { backend, spec } = await setUp()
    const unwanted = new Error('not wanted any more')
    const onWritten = (): void => {
      throw unwanted
    }
    await expect(replayChangelog({ ...spec, onWritten })).rejects.toBe(unwanted)
    await expectConsistent(backend)
    const from = BigInt(backend.checkpoint()!.toString())
    expect(from).toBeLessThan(end)
    await replayChangelog({ ...spec, from })
    expect(await contentOf(backend)).toEqual(contents.get(end))
  })

  it('fails with the failure of its partition', async () => {
    const { spec } = await setUp({ changelog: { topic: 'app-gone-changelog', partition: 0 } })
    await expect(replayChangelog(spec)).rejects.toMatchObject({ code: 'TOPIC_UNKNOWN' })
  })
})
