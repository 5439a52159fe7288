import { describe, expect, it } from 'vitest'
import { createInMemoryBroker, EmbeddedLog } from '../../../../src/log/embedded/index.ts'
import { RecordBatchBuilder } from '../../../../src/log/record-batch-builder.ts'
import { SeededRandom } from '../../../../src/testing/seeded-random.ts'
import { SimulatedClock } from '../../../../src/testing/simulated-clock.ts'
import { lossyConnection } from '../../../support/lossy-connection.ts'

describe('a killed log', () => {
  it('settles nothing, keeps no timer and sends nothing more', async () => {
    const clock = new SimulatedClock()
    const random = new SeededRandom(1)
    const broker = createInMemoryBroker({ clock, random })
    await broker.createTopics([{ name: 't', partitions: 1 }])
    const connection = lossyConnection(broker.connect(), {
      random,
      clock,
      maxDelayMs: 50,
      lostRequest: 0,
      lostAnswer: 0,
    })
    const log = new EmbeddedLog({ connection, clock, random })
    const settled: string[] = []
    const watch = (name: string, work: Promise<unknown>): void => {
      work.then(
        () => settled.push(name),
        () => settled.push(name),
      )
    }
    const creating = log.producer({ transactionalId: 'x' })
    await clock.advance(200)
    const producer = await creating
    const reader = log.reader()
    reader.assign({ topic: 't', partition: 0 }, 0n)
    await clock.advance(200)
    expect((await reader.poll(0)).chunks).toHaveLength(1)
    const calls: string[] = []
    const listener = {
      onAssigned: () => Promise.resolve(void calls.push('assigned')),
      onRevoked: () => Promise.resolve(void calls.push('revoked')),
      onLost: () => Promise.resolve(void calls.push('lost')),
      onFailed: () => void calls.push('failed'),
    }
    const assign = (): Promise<Map<string, Uint8Array>> => Promise.resolve(new Map())
    const membership = await log.joinGroup({
      groupId: 'g',
      metadata: () => Buffer.alloc(0),
      assign,
      listener,
    })
    await clock.advance(500)
    expect(calls).toEqual(['assigned'])

    const records = new RecordBatchBuilder()
    records.append(0, 'k', 'v')
    producer.begin()
    watch('send', producer.send([{ topic: 't', partition: 0, records }]))
    watch('commit', producer.commit())
    watch('poll', reader.poll(10_000))
    watch('offsets', log.offsets('end', [{ topic: 't', partition: 0 }]))
    await clock.advance(5)
    log.kill()
    const before = clock.pendingTimers
    watch('topics', log.listTopics())
    watch('producer', log.producer({ transactionalId: 'y' }))
    watch('close', log.close())
    watch('leave', membership.leave())
    watch('another poll', reader.poll(0))
    expect(clock.pendingTimers).toBe(before)
    await clock.advance(30_000)
    expect(settled).toEqual([])
    expect(calls).toEqual(['assigned'])
    // Its session ended, and its transaction timed out: nobody spoke for it.
    expect((await broker.describeGroup('g')).memberIds).toEqual([])
    const [stable] = await broker.offsets('stable', [{ topic: 't', partition: 0 }])
    expect(await broker.offsets('end', [{ topic: 't', partition: 0 }])).toEqual([stable])
    await clock.advance(60_000)
    expect(clock.pendingTimers).toBe(0)
  })
})
