/** Comparing, promoting and rolling back on a real broker, beside others who write into the published topic. */
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { readBackfill } from '../../src/jobs/backfill/backfill-store.ts'
import { promoteBackfill, rollbackBackfill } from '../../src/jobs/promotion/promote-backfill.ts'
import { reconcileBackfill } from '../../src/jobs/reconciliation/reconcile-backfill.ts'
import { openKafkaLog } from '../../src/log/kafka/index.ts'
import type { Log } from '../../src/log/log.ts'
import { RecordBatchBuilder } from '../../src/log/record-batch-builder.ts'
import { readRange } from '../../src/runtime/commit-log.ts'
import { kafkaForTests } from '../support/kafka/kafka-for-tests.ts'
import { ranBackfill, testFormat, writeResults, type Written } from '../support/result-topics.ts'

const kafka = await kafkaForTests()
const options = { clock: systemClock }
const reconciling = { ...options, format: testFormat(), tolerances: new Map<string, number>() }
const KEYS = 400

describe.skipIf(kafka === null)('a backfill on a real broker', () => {
  it('is compared, promoted beside a live writer, fenced, rolled back byte for byte and promoted again', async () => {
    const applicationId = `promotion-${process.pid}`
    const published = `${applicationId}-aggregates`
    const log = await openKafkaLog({ brokers: kafka!.brokers.split(',') })
    const place = { log, applicationId }
    const staged = await ranBackfill(place, 'b1', 2, {}, published)
    // Long values, so that one partition takes more than one batch.
    const result = (index: number, mean: number): Written => ({
      partition: index % 2,
      key: `s${String(index).padStart(4, '0')}@1`,
      value: { mean, note: 'x'.repeat(6_000) },
      timestampMs: 1_000 + index,
      headers: { from: 'live' },
    })
    const indexes = Array.from({ length: KEYS }, (_, index) => index)
    await writeResults(
      log,
      published,
      indexes.slice(1).map((index) => result(index, 1)),
    )
    await writeResults(
      log,
      staged,
      indexes.slice(0, -1).map((index) => result(index, index % 4 === 0 ? 1 : 2)),
    )
    const before = await newestIn(log, published)

    const { findings } = await reconcileBackfill(place, 'b1', reconciling)
    expect(findings.counts).toEqual({ match: 99, within: 0, changed: 299, missing: 1, extra: 1 })

    const live = await liveWriter(log, published)
    const promoted = await promoteBackfill(place, 'b1', options)
    expect(promoted).toMatchObject({ written: 301, left: 0, round: { tombstones: 1 } })
    await live.stop()
    expect((await reconcileBackfill(place, 'b1', reconciling)).findings.counts).toMatchObject({
      match: 399,
      changed: 0,
      missing: 0,
      extra: 0,
    })

    await rollbackBackfill(place, 'b1', options)
    const restored = await newestIn(log, published)
    expect(restored.get('s0000@1')).toBeNull()
    for (const [key, record] of before) expect([key, restored.get(key)]).toEqual([key, record])

    await writeResults(log, published, [result(1, 9)])
    await expect(promoteBackfill(place, 'b1', options)).rejects.toMatchObject({ code: 'KEYS_CHANGED' })
    expect((await readBackfill(place, 'b1')).state).toBe('rolled-back')
    await reconcileBackfill(place, 'b1', reconciling)
    expect((await promoteBackfill(place, 'b1', { ...options, canary: 10 })).left).toBe(291)
    // A promoter that has died with its transaction open holds nobody up.
    const dead = await log.producer({ transactionalId: `${applicationId}.backfill.b1.promote` })
    dead.begin()
    await dead.send([{ topic: published, partition: 0, records: oneRecord('s0003@1') }])
    expect(await promoteBackfill(place, 'b1', options)).toMatchObject({ written: 291, left: 0 })
    await log.close()
  }, 120_000)
})

function oneRecord(key: string, timestampMs = 1_000): RecordBatchBuilder {
  const records = new RecordBatchBuilder()
  records.append(timestampMs, key, '{}')
  return records
}

/** Writes results of another range, a transaction each, until it is stopped. */
async function liveWriter(log: Log, topic: string): Promise<{ stop(): Promise<void> }> {
  const producer = await log.producer({ transactionalId: `${topic}-live` })
  let stopped = false
  let written = 0
  const work = (async () => {
    while (!stopped || written === 0) {
      producer.begin()
      await producer.send(
        [0, 1].map((partition) => ({ topic, partition, records: oneRecord('live', 700_000) })),
      )
      await producer.commit()
      written++
    }
    await producer.close()
  })()
  return {
    async stop() {
      stopped = true
      await work
    },
  }
}

async function newestIn(log: Log, topic: string): Promise<Map<string, unknown>> {
  const found = new Map<string, unknown>()
  for (const partition of [0, 1]) {
    // What was committed a moment ago need not be visible yet: the position has to reach the high watermark.
    const [end] = await log.offsets('end', [{ topic, partition }])
    await readRange(log, { topic, partition }, 0n, end!, (cursor) => {
      const key = cursor.key()!.toString()
      const headers = cursor.headers().map(({ key: name, value }) => [name, value?.toString()])
      const { timestampMs } = cursor
      const value = cursor.value()?.toString()
      if (key !== 'live') found.set(key, value === undefined ? null : { value, timestampMs, headers })
    })
  }
  return found
}
