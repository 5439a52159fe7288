import { describe, expect, it } from 'vitest'
import { KafkaGroups } from '../../../../src/log/kafka/groups.ts'
import { failure } from '../../../contract/log/harness.ts'
import { FakeKafka } from '../../../support/fake-kafka.ts'

const AT = [0, 1].map((partition) => ({ topic: 't', partition }))

function newGroups(): { kafka: FakeKafka; groups: KafkaGroups } {
  const kafka = new FakeKafka().on('FindCoordinator', () => ({ code: 0, nodeId: 1, host: 'one', port: 1 }))
  return { kafka, groups: new KafkaGroups(kafka.cluster()) }
}

const offsets = (code: number, ...list: bigint[]): object => ({
  code: 0,
  partitions: list.map((offset, partition) => ({ topic: 't', partition, offset, code })),
})

describe("a group's offsets", () => {
  it('are null where there is none', async () => {
    const { kafka, groups } = newGroups()
    kafka.on('OffsetFetch', () => offsets(0, 5n, -1n))
    expect(await groups.committedOffsets('g', AT)).toEqual([5n, null])
  })

  it('are waited for while they are part of a transaction, for 30 seconds', async () => {
    const { kafka, groups } = newGroups()
    kafka.on('OffsetFetch', () => offsets(88, -1n, -1n))
    const waiting = kafka.run(groups.committedOffsets('g', AT))
    await expect(waiting).rejects.toEqual(failure('RetriableError', 'OFFSETS_UNSTABLE'))
    expect(kafka.clock.monotonic()).toBeGreaterThan(29_900)
    kafka.on('OffsetFetch', () => offsets(0, 1n, 2n))
    expect(await groups.committedOffsets('g', AT)).toEqual([1n, 2n])
  })

  it('are asked of another coordinator when the group has moved', async () => {
    const { kafka, groups } = newGroups()
    kafka.on('OffsetFetch', (_, broker) =>
      broker === 'one:1' ? { code: 16, partitions: [] } : offsets(0, 1n, 2n),
    )
    const moved = groups.committedOffsets('g', AT)
    kafka.on('FindCoordinator', () => ({ code: 0, nodeId: 2, host: 'two', port: 2 }))
    expect(await kafka.run(moved)).toEqual([1n, 2n])
  })

  it('may be forbidden', async () => {
    const { kafka, groups } = newGroups()
    kafka.on('OffsetFetch', () => ({ code: 30, partitions: [] }))
    await expect(groups.committedOffsets('g', AT)).rejects.toEqual(failure('FatalError', 'ACCESS_DENIED'))
  })
})

describe('a group', () => {
  it('is told in the words of the port', async () => {
    for (const [state, ours] of [
      ['Stable', 'stable'],
      ['PreparingRebalance', 'rebalancing'],
      ['CompletingRebalance', 'rebalancing'],
      ['Empty', 'empty'],
      ['Dead', 'dead'],
    ] as const) {
      const { kafka, groups } = newGroups()
      kafka.on('DescribeGroups', () => ({ code: 0, state, memberIds: ['m'] }))
      expect(await groups.describeGroup('g')).toEqual({ groupId: 'g', state: ours, memberIds: ['m'] })
    }
  })

  it('is forgotten, also when it is not known, but not while it has members', async () => {
    const { kafka, groups } = newGroups()
    for (const code of [0, 69]) {
      kafka.on('DeleteGroups', () => ({ code }))
      await groups.deleteGroup('g')
    }
    kafka.on('DeleteGroups', () => ({ code: 68 }))
    await expect(groups.deleteGroup('g')).rejects.toEqual(failure('FatalError', 'GROUP_NOT_EMPTY'))
  })
})
