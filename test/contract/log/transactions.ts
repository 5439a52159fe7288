/** Transactions: what becomes visible, when, and who may write. */
import { beforeEach, expect, it } from 'vitest'
import type { Log } from '../../../src/log/log.ts'
import {
  batchOf,
  failure,
  newProducer,
  newTopic,
  put,
  readAll,
  settledEnd,
  type LogHarness,
} from './harness.ts'

export function describeTransactions(current: () => LogHarness): void {
  let h: LogHarness
  let log: Log
  let topic: string

  const end = async (partition = 0): Promise<bigint> =>
    (await h.run(log.offsets('end', [{ topic, partition }])))[0]!
  const stable = async (partition = 0): Promise<bigint> =>
    (await h.run(log.offsets('stable', [{ topic, partition }])))[0]!

  const settled = (): Promise<bigint> => settledEnd(h, log, { topic, partition: 0 })

  beforeEach(async () => {
    h = current()
    log = await h.open()
    topic = await newTopic(h, log, 2)
  })

  it('answers the first offset of each batch, in the order given', async () => {
    const producer = await newProducer(h, log)
    producer.begin()
    const [p0, p1] = [
      { topic, partition: 0 },
      { topic, partition: 1 },
    ]
    const offsets = await h.run(producer.send([batchOf(p1, 'a', 'b'), batchOf(p0, 'c'), batchOf(p1, 'd')]))
    expect(offsets).toEqual([0n, 0n, 2n])
    expect(await h.run(producer.send([batchOf(p1, 'e')]))).toEqual([3n])
    await h.run(producer.commit())
    expect(await readAll(h, log, p1)).toEqual(['0:a', '1:b', '2:d', '3:e'])
    expect(await readAll(h, log, p0)).toEqual(['0:c'])
  })

  it('shows nothing of a transaction before its commit, and all of it afterwards', async () => {
    const at = { topic, partition: 0 }
    const producer = await newProducer(h, log)
    producer.begin()
    await h.run(producer.send([batchOf(at, 'a')]))
    expect([await end(), await stable()]).toEqual([1n, 0n])
    expect(await readAll(h, log, at, 0n, 0n)).toEqual([])
    await h.run(producer.commit())
    expect(await readAll(h, log, at)).toEqual(['0:a'])
    await settled()
  })

  it('takes up offsets for commits, and never delivers anything there', async () => {
    const at = { topic, partition: 0 }
    const [first, second] = await put(h, log, batchOf(at, 'a', 'b'), batchOf(at, 'c'))
    expect(first).toBe(0n)
    expect(second).toBeGreaterThan(2n)
    expect(await readAll(h, log, at)).toEqual(['0:a', '1:b', `${second}:c`])
  })

  it('leaves a gap where a transaction was aborted', async () => {
    const at = { topic, partition: 0 }
    const producer = await newProducer(h, log)
    producer.begin()
    await h.run(producer.send([batchOf(at, 'x', 'x')]))
    await h.run(producer.abort())
    producer.begin()
    const [offset] = await h.run(producer.send([batchOf(at, 'a')]))
    await h.run(producer.commit())
    expect(offset).toBeGreaterThan(2n)
    expect(await readAll(h, log, at)).toEqual([`${offset}:a`])
  })

  it('holds the last stable offset at the first open transaction, whoever commits behind it', async () => {
    const at = { topic, partition: 0 }
    const early = await newProducer(h, log)
    early.begin()
    await h.run(early.send([batchOf(at, 'early')]))
    await put(h, log, batchOf(at, 'late'))
    expect(await stable()).toBe(0n)
    expect(await readAll(h, log, at, 0n, 0n)).toEqual([])
    await h.run(early.abort())
    await settled()
    expect(await readAll(h, log, at)).toEqual(['1:late'])
  })

  it('commits a transaction without records, and one that was never told', async () => {
    const producer = await newProducer(h, log)
    producer.begin()
    await h.run(producer.commit())
    producer.begin()
    expect(await h.run(producer.send([]))).toEqual([])
    await h.run(producer.abort())
    expect(await end()).toBe(0n)
  })

  it('fences the earlier holder of a transactional id and aborts its transaction', async () => {
    const at = { topic, partition: 0 }
    const id = h.unique('taken-over')
    const old = await newProducer(h, log, id)
    old.begin()
    await h.run(old.send([batchOf(at, 'lost')]))
    const other = await h.open()
    const young = await newProducer(h, other, id)
    await settled()
    await expect(h.run(old.send([batchOf(at, 'late')]))).rejects.toEqual(
      failure('FencedError', 'PRODUCER_FENCED'),
    )
    await expect(h.run(old.commit())).rejects.toEqual(failure('FencedError', 'PRODUCER_FENCED'))
    young.begin()
    await h.run(young.send([batchOf(at, 'kept')]))
    await h.run(young.commit())
    const records = await readAll(h, log, at)
    expect(records.map((record) => record.split(':')[1])).toEqual(['kept'])
  })

  it('tells a fenced holder at its commit too', async () => {
    const id = h.unique('taken-over')
    const old = await newProducer(h, log, id)
    old.begin()
    await h.run(old.send([batchOf({ topic, partition: 0 }, 'lost')]))
    await h.run(log.fenceProducer(id))
    await expect(h.run(old.commit())).rejects.toEqual(failure('FencedError', 'PRODUCER_FENCED'))
    await h.run(old.close())
    expect(await readAll(h, log, { topic, partition: 0 })).toEqual([])
  })

  it('fences an id that nobody holds', async () => {
    await h.run(log.fenceProducer(h.unique('nobody')))
  })

  it('aborts what a killed client left open once its id is fenced', async () => {
    const at = { topic, partition: 0 }
    const id = h.unique('killed')
    const victim = await h.open()
    const producer = await newProducer(h, victim, id)
    producer.begin()
    await h.run(producer.send([batchOf(at, 'lost')]))
    h.kill(victim)
    expect(await stable()).toBe(0n)
    await h.run(log.fenceProducer(id))
    await settled()
    expect(await readAll(h, log, at)).toEqual([])
  })

  it('aborts a transaction that stays open for too long, and fences its producer', async () => {
    const at = { topic, partition: 0 }
    const { transactionTimeoutMs } = h.capabilities
    const producer = await h.run(log.producer({ transactionalId: h.unique('slow'), transactionTimeoutMs }))
    producer.begin()
    await h.run(producer.send([batchOf(at, 'lost')]))
    // The log looks now and then; one that is busy looks late.
    for (let attempt = 0; attempt < 5 && (attempt < 1 || (await stable()) !== (await end())); attempt++)
      await h.elapse(transactionTimeoutMs * 3)
    expect(await stable()).toBe(await end())
    await expect(h.run(producer.commit())).rejects.toEqual(expect.objectContaining({ name: 'FencedError' }))
    expect(await readAll(h, log, at)).toEqual([])
  })

  it('aborts what is open when a producer, or the log, is closed', async () => {
    const at = { topic, partition: 0 }
    const producer = await newProducer(h, log)
    producer.begin()
    await h.run(producer.send([batchOf(at, 'lost')]))
    await h.run(producer.close())
    await h.run(producer.close())
    await settled()
    const other = await h.open()
    const second = await newProducer(h, other)
    second.begin()
    await h.run(second.send([batchOf(at, 'lost')]))
    await h.run(other.close())
    await settled()
    expect(await readAll(h, log, at)).toEqual([])
  })

  it('refuses topics that do not exist and batches that are too large', async () => {
    const small = await newTopic(h, log, 1, { maxMessageBytes: 1000 })
    for (const [at, value, code] of [
      [{ topic: h.unique('absent'), partition: 0 }, 'x', 'TOPIC_UNKNOWN'],
      [{ topic: small, partition: 0 }, 'x'.repeat(1000), 'BATCH_TOO_LARGE'],
    ] as const) {
      const producer = await newProducer(h, log)
      producer.begin()
      await expect(h.run(producer.send([batchOf(at, value)]))).rejects.toEqual(failure('FatalError', code))
      await expect(h.run(producer.commit())).rejects.toEqual(failure('FatalError', code))
      await h.run(producer.close())
    }
  })

  it('writes all batches of a send or none', async () => {
    const at = { topic, partition: 0 }
    const producer = await newProducer(h, log)
    producer.begin()
    const absent = { topic: h.unique('absent'), partition: 0 }
    await expect(h.run(producer.send([batchOf(at, 'x'), batchOf(absent, 'x')]))).rejects.toThrow()
    await h.run(producer.close())
    expect(await readAll(h, log, at)).toEqual([])
  })

  it('keeps keys, values, headers and timestamps as they were', async () => {
    const at = { topic, partition: 0 }
    const batch = batchOf(at, [null, null, 5], ['', '', -7], ['ключ', '值', 2 ** 45])
    batch.records.append(1, 'h', 'v', [
      { key: 'a', value: Buffer.from([0, 255]) },
      { key: 'a', value: null },
    ])
    await put(h, log, batch)
    const reader = log.reader()
    reader.assign(at, 0n)
    const { RecordCursor } = await import('../../../src/log/record-cursor.ts')
    const cursor = new RecordCursor()
    const seen: unknown[] = []
    for (let polls = 0; seen.length < 4 && polls < 50; polls += 1) {
      for (const { batches } of (await h.run(reader.poll(100))).chunks) {
        cursor.reset(batches)
        while (cursor.next()) {
          const [key, value] = [cursor.key()?.toString() ?? null, cursor.value()?.toString() ?? null]
          seen.push([
            key,
            value,
            cursor.timestampMs,
            cursor.headers().map(({ value: v }) => v?.toString('hex')),
          ])
        }
      }
    }
    expect(seen).toEqual([
      [null, null, 5, []],
      ['', '', -7, []],
      ['ключ', '值', 2 ** 45, []],
      ['h', 'v', 1, ['00ff', undefined]],
    ])
  })

  it('shows at once what an unsafe producer sends, and takes nothing back', async () => {
    if (!h.capabilities.unsafeProducers) return
    const at = { topic, partition: 0 }
    const group = h.unique('group')
    const transactionalId = h.unique('unsafe')
    const producer = await h.run(log.producer({ transactionalId, unsafeWithoutTransactions: true }))
    producer.begin()
    await h.run(producer.send([batchOf(at, 'a', 'b')]))
    expect(await readAll(h, log, at)).toEqual(['0:a', '1:b'])
    await h.run(producer.addOffsets(group, [{ ...at, offset: 1n }]))
    expect(await h.run(log.committedOffsets(group, [at]))).toEqual([1n])
    await h.run(producer.abort())
    expect(await readAll(h, log, at)).toEqual(['0:a', '1:b'])
  })

  it('stamps records with the time of arrival where the topic asks for it', async () => {
    const stamped = await newTopic(h, log, 1, { timestampType: 'append' })
    const before = h.nowMs()
    await put(h, log, batchOf({ topic: stamped, partition: 0 }, ['k', 'v', 5]))
    const at = { topic: stamped, partition: 0 }
    expect(await h.run(log.offsetAtTime(at, before))).toBe(0n)
    expect(await readAll(h, log, at)).toEqual(['0:v'])
  })
}
