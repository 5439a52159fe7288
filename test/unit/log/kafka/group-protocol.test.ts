import { describe, expect, it } from 'vitest'
import { KafkaGroupProtocol } from '../../../../src/log/kafka/group-protocol.ts'
import { encodeSubscription } from '../../../../src/log/kafka/subscription.ts'
import { ByteReader } from '../../../../src/log/kafka/wire/byte-reader.ts'
import type { RawRequest } from '../../../../src/log/kafka/transport/kafkajs.ts'
import { failure } from '../../../contract/log/harness.ts'
import { brokenConnection, FakeKafka } from '../../../support/fake-kafka.ts'

const REQUEST = {
  groupId: 'g',
  groupInstanceId: null,
  memberId: '',
  newMember: true,
  sessionTimeoutMs: 900,
  rebalanceTimeoutMs: 5_000,
  metadata: Buffer.from('mine'),
}
const MEMBER = { groupId: 'g', memberId: 'm', generation: 3, groupInstanceId: null }
const JOINED = { code: 0, generation: 3, leader: 'm', skipAssignment: false, memberId: 'm', members: [] }

function newProtocol(): { kafka: FakeKafka; protocol: KafkaGroupProtocol } {
  const kafka = new FakeKafka().on('FindCoordinator', () => ({ code: 0, nodeId: 1, host: 'one', port: 1 }))
  return { kafka, protocol: new KafkaGroupProtocol(kafka.cluster(), []) }
}

/** The member id in a JoinGroup: behind the group id and two time-outs. */
function memberIdIn({ body }: RawRequest): string {
  const reader = new ByteReader(body, 1)
  reader.string()
  reader.raw(8)
  return reader.string()
}

describe('joining', () => {
  it('takes the id that the coordinator gives, and keeps it over repeated joins: no ghost is left behind', async () => {
    const { kafka, protocol } = newProtocol()
    const ids: string[] = []
    kafka.on('JoinGroup', (request) => {
      ids.push(memberIdIn(request))
      if (ids.length === 1) return { ...JOINED, code: 79, memberId: 'given' }
      if (ids.length === 2) throw brokenConnection()
      return { ...JOINED, memberId: 'given' }
    })
    await expect(protocol.join(REQUEST)).rejects.toEqual(failure('RetriableError', 'LOG_UNREACHABLE'))
    expect((await protocol.join(REQUEST)).memberId).toBe('given')
    expect(ids).toEqual(['', 'given', 'given'])
  })

  it('begins anew once the coordinator does not know the member', async () => {
    const { kafka, protocol } = newProtocol()
    const ids: string[] = []
    kafka.on('JoinGroup', (request) => {
      ids.push(memberIdIn(request))
      return ids.length === 2 ? { ...JOINED, code: 25 } : JOINED
    })
    await protocol.join(REQUEST)
    await expect(protocol.join(REQUEST)).rejects.toEqual(failure('FencedError', 'UNKNOWN_MEMBER_ID'))
    await protocol.join(REQUEST)
    expect(ids).toEqual(['', 'm', ''])
  })

  it("shows the leader everyone's metadata, and others nothing", async () => {
    const { kafka, protocol } = newProtocol()
    const members = [{ memberId: 'm', metadata: encodeSubscription(['topic'], Buffer.from('theirs')) }]
    kafka.on('JoinGroup', () => ({ ...JOINED, members }))
    expect(await protocol.join(REQUEST)).toMatchObject({
      leader: true,
      members: [{ memberId: 'm', metadata: Buffer.from('theirs') }],
    })
    kafka.on('JoinGroup', () => ({ ...JOINED, leader: 'other', members }))
    expect(await protocol.join(REQUEST)).toMatchObject({ leader: false, members: [] })
  })

  it('makes no leader of a member that came back under its name while the assignment stands', async () => {
    const { kafka, protocol } = newProtocol()
    kafka.on('JoinGroup', () => ({ ...JOINED, skipAssignment: true }))
    expect((await protocol.join(REQUEST)).leader).toBe(false)
  })

  it('waits longer than the rebalance may take', async () => {
    const { kafka, protocol } = newProtocol()
    kafka.on('JoinGroup', () => new Promise(() => undefined))
    const joining = kafka.run(protocol.join(REQUEST))
    await expect(joining).rejects.toEqual(failure('RetriableError', 'LOG_UNREACHABLE'))
    expect(kafka.clock.monotonic()).toBe(15_000)
  })

  it('names what cannot be mended', async () => {
    for (const [code, error] of [
      [23, 'GROUP_PROTOCOL_DIFFERS'],
      [26, 'SESSION_TIMEOUT_REFUSED'],
      [30, 'ACCESS_DENIED'],
    ] as const) {
      const { kafka, protocol } = newProtocol()
      kafka.on('JoinGroup', () => ({ ...JOINED, code }))
      await expect(protocol.join(REQUEST)).rejects.toEqual(failure('FatalError', error))
    }
  })
})

describe('belonging to a group', () => {
  it('goes on by heartbeats, which do not wait behind a JoinGroup', async () => {
    const { kafka, protocol } = newProtocol()
    kafka.on('JoinGroup', () => new Promise(() => undefined)).on('Heartbeat', () => ({ code: 0 }))
    protocol.join(REQUEST).catch(() => undefined)
    expect(await protocol.heartbeat(MEMBER)).toBe('stable')
    expect(kafka.connections.length).toBeGreaterThanOrEqual(3)
    protocol.close()
  })

  it('is told of rebalances, and of its end', async () => {
    const { kafka, protocol } = newProtocol()
    kafka.on('Heartbeat', () => ({ code: 27 }))
    expect(await protocol.heartbeat(MEMBER)).toBe('rebalancing')
    for (const [code, error] of [
      [22, 'ILLEGAL_GENERATION'],
      [25, 'UNKNOWN_MEMBER_ID'],
      [82, 'FENCED_INSTANCE_ID'],
    ] as const) {
      kafka.on('Heartbeat', () => ({ code }))
      await expect(protocol.heartbeat(MEMBER)).rejects.toEqual(failure('FencedError', error))
    }
    kafka.on('SyncGroup', () => ({ code: 27 }))
    const syncing = protocol.sync({ ...MEMBER, assignments: null })
    await expect(syncing).rejects.toEqual(failure('RetriableError', 'REBALANCE_IN_PROGRESS'))
  })

  it('gives up a heartbeat early enough for another one within the session', async () => {
    const { kafka, protocol } = newProtocol()
    kafka.on('JoinGroup', () => JOINED).on('Heartbeat', () => new Promise(() => undefined))
    await protocol.join(REQUEST)
    await expect(kafka.run(protocol.heartbeat(MEMBER))).rejects.toEqual(
      failure('RetriableError', 'LOG_UNREACHABLE'),
    )
    expect(kafka.clock.monotonic()).toBe(300)
  })

  it('ends at once by leaving, also when nobody knows the member', async () => {
    const { kafka, protocol } = newProtocol()
    for (const code of [0, 25]) {
      kafka.on('LeaveGroup', () => ({ code }))
      await protocol.leave(MEMBER)
    }
    kafka.requests.length = 0
    await protocol.leave({ ...MEMBER, memberId: '' })
    expect(kafka.requests).toEqual([])
  })
})
