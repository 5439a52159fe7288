import { describe, expect, it } from 'vitest'
import { FatalError, FencedError, RetriableError } from '../../../src/errors.ts'
import type { GroupProtocol, JoinAnswer, JoinRequest, SyncRequest } from '../../../src/log/group-protocol.ts'
import { Membership } from '../../../src/log/membership.ts'
import { SimulatedClock } from '../../../src/testing/simulated-clock.ts'

type Answer<T> = T | Error | Promise<T>

/** A coordinator whose every answer the test decides; what is not decided is a generation of one after the other. */
class Script implements GroupProtocol {
  readonly joins: JoinRequest[] = []
  readonly syncs: SyncRequest[] = []
  readonly left: string[] = []
  heartbeats = 0
  nextJoin: ((request: JoinRequest) => Answer<JoinAnswer>) | null = null
  nextSync: ((request: SyncRequest) => Answer<Uint8Array>) | null = null
  beat: () => Answer<'stable' | 'rebalancing'> = () => 'stable'
  private generation = 0

  async join(request: JoinRequest): Promise<JoinAnswer> {
    this.joins.push(request)
    const next = this.nextJoin
    this.nextJoin = null
    this.generation += 1
    const members = [{ memberId: request.memberId, metadata: request.metadata }]
    const usual = { memberId: request.memberId, generation: this.generation, leader: true, members }
    return settle(next === null ? usual : next(request))
  }

  async sync(request: SyncRequest): Promise<Uint8Array> {
    this.syncs.push(request)
    const next = this.nextSync
    this.nextSync = null
    return settle(next === null ? (request.assignments?.get(request.memberId) ?? NOTHING) : next(request))
  }

  async heartbeat(): Promise<'stable' | 'rebalancing'> {
    this.heartbeats += 1
    return settle(this.beat())
  }

  async leave({ memberId }: { memberId: string }): Promise<void> {
    this.left.push(memberId)
  }
}

const NOTHING = new Uint8Array(0)

async function settle<T>(answer: Answer<T>): Promise<T> {
  if (answer instanceof Error) throw answer
  return answer
}

class Fixture {
  readonly clock = new SimulatedClock()
  readonly script = new Script()
  readonly calls: string[] = []
  holds: Record<string, Promise<void>> = {}
  throws: Record<string, Error> = {}
  membership!: Membership
  ids = 0

  start(groupInstanceId?: string): this {
    const enter = async (call: string): Promise<void> => {
      this.calls.push(call)
      await this.holds[call]
      if (this.throws[call] !== undefined) throw this.throws[call]
    }
    this.membership = new Membership({
      protocol: this.script,
      clock: this.clock,
      newMemberId: () => `id-${(this.ids += 1)}`,
      options: {
        groupId: 'g',
        ...(groupInstanceId === undefined ? {} : { groupInstanceId }),
        sessionTimeoutMs: 300,
        metadata: () => Buffer.from('meta'),
        assign: async (members) => {
          await enter('assign')
          return new Map(members.map(({ memberId }) => [memberId, Buffer.from('work')]))
        },
        listener: {
          onAssigned: (work, { memberId, generation }) =>
            enter(`assigned ${Buffer.from(work).toString()} ${memberId}@${generation}`),
          onRevoked: () => enter('revoked'),
          onLost: (reason) => enter(`lost ${reason.message}`),
          onFailed: (error) => void this.calls.push(`failed ${error.message}`),
        },
      },
    })
    return this
  }

  hold(call: string): () => void {
    let release!: () => void
    this.holds[call] = new Promise((resolve) => (release = resolve))
    return release
  }
}

const expelled = (): FencedError => new FencedError('UNKNOWN_MEMBER_ID', 'expelled')

describe('Membership', () => {
  it('joins, hands out the work as leader, and takes its own', async () => {
    const f = new Fixture().start()
    await f.clock.runUntilIdle()
    expect(f.calls).toEqual(['assign', 'assigned work id-1@1'])
    expect(f.membership.state).toBe('stable')
    expect(f.script.joins[0]).toMatchObject({ groupId: 'g', groupInstanceId: null, newMember: true })
    expect(f.script.joins[0]).toMatchObject({ sessionTimeoutMs: 300, rebalanceTimeoutMs: 60_000 })
  })

  it('uses the id that the coordinator gives, and says so from then on', async () => {
    const f = new Fixture()
    f.script.nextJoin = () => ({ memberId: 'given', generation: 5, leader: false, members: [] })
    f.start()
    await f.clock.runUntilIdle()
    expect(f.script.syncs[0]).toMatchObject({ memberId: 'given', generation: 5, assignments: null })
    f.script.beat = () => 'rebalancing'
    await f.clock.advance(100)
    expect(f.script.joins[1]).toMatchObject({ memberId: 'given', newMember: false })
  })

  it('beats while it is stable, while it is assigned and while it gives up, not while it joins', async () => {
    const f = new Fixture()
    const release = f.hold('assigned work id-1@1')
    f.start()
    await f.clock.advance(350)
    expect(f.script.heartbeats).toBe(3)
    release()
    const revoked = f.hold('revoked')
    f.script.beat = () => 'rebalancing'
    await f.clock.advance(50)
    expect(f.calls.at(-1)).toBe('revoked')
    await f.clock.advance(500)
    expect(f.script.heartbeats).toBe(9)
    const answer = new Promise<JoinAnswer>(() => undefined)
    f.script.nextJoin = () => answer
    revoked()
    await f.clock.advance(1000)
    expect(f.script.heartbeats).toBe(9)
    expect(f.membership.state).toBe('joining')
  })

  it('gives up, joins and is assigned again in a rebalance', async () => {
    const f = new Fixture().start()
    f.script.beat = () => (f.script.joins.length === 1 ? 'rebalancing' : 'stable')
    await f.clock.advance(150)
    expect(f.calls).toEqual(['assign', 'assigned work id-1@1', 'revoked', 'assign', 'assigned work id-1@2'])
  })

  it('loses everything when it is expelled, and joins as somebody else', async () => {
    const f = new Fixture().start()
    f.script.beat = () => (f.script.joins.length === 1 ? expelled() : 'stable')
    await f.clock.advance(150)
    expect(f.calls.slice(2)).toEqual(['lost expelled', 'assign', 'assigned work id-2@2'])
    expect(f.script.joins[1]).toMatchObject({ memberId: 'id-2', newMember: true })
  })

  it('is told of a loss only after the assignment that it interrupts', async () => {
    const f = new Fixture()
    const release = f.hold('assigned work id-1@1')
    f.start()
    f.script.beat = () => (f.script.joins.length === 1 ? expelled() : 'stable')
    await f.clock.advance(1000)
    expect(f.calls).toEqual(['assign', 'assigned work id-1@1'])
    release()
    await f.clock.runUntilIdle()
    expect(f.calls.slice(2)).toEqual(['lost expelled', 'assign', 'assigned work id-2@2'])
  })

  it('loses nothing more when it is expelled while giving up', async () => {
    const f = new Fixture().start()
    await f.clock.runUntilIdle()
    const release = f.hold('revoked')
    f.script.beat = () => 'rebalancing'
    await f.clock.advance(100)
    f.script.beat = () => expelled()
    await f.clock.advance(200)
    f.script.beat = () => 'stable'
    release()
    await f.clock.runUntilIdle()
    expect(f.calls.slice(2)).toEqual(['revoked', 'assign', 'assigned work id-2@2'])
  })

  it('joins again when a rebalance begins before it has its assignment', async () => {
    const f = new Fixture()
    f.script.nextSync = () => new RetriableError('REBALANCE_IN_PROGRESS', 'again')
    f.start()
    await f.clock.runUntilIdle()
    expect(f.calls).toEqual(['assign', 'assign', 'assigned work id-1@2'])
  })

  it('joins as somebody else when it is expelled before it has its assignment', async () => {
    const f = new Fixture()
    f.script.nextSync = () => expelled()
    f.start()
    await f.clock.runUntilIdle()
    expect(f.calls).toEqual(['assign', 'assign', 'assigned work id-2@2'])
    const g = new Fixture()
    const release = g.hold('assign')
    g.start()
    g.script.beat = () => (g.script.joins.length === 1 ? expelled() : 'stable')
    await g.clock.advance(200)
    release()
    await g.clock.runUntilIdle()
    expect(g.calls.at(-1)).toMatch(/^assigned work id-2/)
  })

  it('repeats what got no answer, the assignment as it was made', async () => {
    const f = new Fixture()
    f.script.nextJoin = () => new RetriableError('LOG_UNREACHABLE', 'lost')
    f.script.nextSync = () => new RetriableError('LOG_UNREACHABLE', 'lost')
    f.start()
    await f.clock.advance(500)
    expect(f.calls).toEqual(['assign', 'assigned work id-1@2'])
    expect(f.script.joins.map(({ memberId }) => memberId)).toEqual(['id-1', 'id-1'])
    expect(f.script.syncs.map(({ assignments }) => assignments?.size)).toEqual([1, 1])
  })

  it('takes no notice of heartbeats that are lost', async () => {
    const f = new Fixture().start()
    f.script.beat = () => new RetriableError('LOG_UNREACHABLE', 'lost')
    await f.clock.advance(2000)
    expect(f.calls).toEqual(['assign', 'assigned work id-1@1'])
    expect(f.script.heartbeats).toBe(20)
  })

  it('rejoins on request, also when asked while it is busy', async () => {
    const f = new Fixture().start()
    await f.clock.runUntilIdle()
    f.membership.requestRejoin()
    await f.clock.runUntilIdle()
    expect(f.script.joins).toHaveLength(2)
    const release = f.hold('assigned work id-1@3')
    f.membership.requestRejoin()
    await f.clock.runUntilIdle()
    f.membership.requestRejoin()
    release()
    await f.clock.runUntilIdle()
    expect(f.script.joins).toHaveLength(4)
    expect(f.calls.filter((call) => call === 'revoked')).toHaveLength(3)
  })

  it('gives up and leaves, from every state', async () => {
    const stable = new Fixture().start()
    await stable.clock.runUntilIdle()
    await stable.membership.leave()
    await stable.membership.leave()
    expect(stable.calls.at(-1)).toBe('revoked')
    expect([stable.script.left, stable.membership.state]).toEqual([['id-1'], 'left'])
    expect(stable.clock.pendingTimers).toBe(0)

    const joining = new Fixture()
    joining.script.nextJoin = () => new Promise(() => undefined)
    joining.start()
    await joining.clock.runUntilIdle()
    await joining.membership.leave()
    expect([joining.calls, joining.script.left]).toEqual([[], ['id-1']])

    const syncing = new Fixture()
    syncing.script.nextSync = () => new Promise(() => undefined)
    syncing.start()
    await syncing.clock.runUntilIdle()
    await syncing.membership.leave()
    expect([syncing.calls, syncing.script.left]).toEqual([['assign'], ['id-1']])

    const assigning = new Fixture()
    const release = assigning.hold('assigned work id-1@1')
    assigning.start()
    await assigning.clock.runUntilIdle()
    const left = assigning.membership.leave()
    release()
    await left
    expect(assigning.calls.slice(1)).toEqual(['assigned work id-1@1', 'revoked'])

    const retrying = new Fixture()
    retrying.script.nextJoin = () => new RetriableError('LOG_UNREACHABLE', 'lost')
    retrying.start()
    await retrying.clock.runUntilIdle()
    await retrying.membership.leave()
    expect(retrying.script.joins).toHaveLength(1)
  })

  it('closes without a word; only unnamed members leave', async () => {
    for (const [instance, left] of [
      [undefined, ['id-1']],
      ['name', []],
    ] as const) {
      const f = new Fixture().start(instance)
      await f.clock.runUntilIdle()
      await f.membership.close()
      await f.membership.close()
      await f.clock.advance(1000)
      expect(f.calls).toEqual(['assign', 'assigned work id-1@1'])
      expect([f.script.left, f.membership.state, f.script.heartbeats]).toEqual([left, 'left', 0])
      await f.membership.leave()
    }
  })

  it('ends with what joining again cannot mend', async () => {
    const fatal = new FatalError('LOG_CLOSED', 'closed')
    for (const prepare of [
      (f: Fixture) => (f.script.nextJoin = () => fatal),
      (f: Fixture) => (f.script.nextSync = () => fatal),
    ]) {
      const f = new Fixture()
      prepare(f)
      f.start()
      await f.clock.advance(500)
      expect(f.calls.at(-1)).toBe('failed closed')
      expect(f.membership.state).toBe('failed')
      expect(f.clock.pendingTimers).toBe(0)
      await f.membership.leave()
    }
    const beating = new Fixture().start()
    beating.script.beat = () => fatal
    await beating.clock.advance(500)
    expect(beating.calls.slice(2)).toEqual(['lost closed', 'failed closed'])
  })

  it('does not fight for a name that another one took', async () => {
    const fenced = new FencedError('FENCED_INSTANCE_ID', 'taken')
    const f = new Fixture().start('name')
    f.script.beat = () => fenced
    await f.clock.advance(500)
    expect(f.calls.slice(2)).toEqual(['lost taken', 'failed taken'])
    const g = new Fixture()
    g.script.nextJoin = () => fenced
    g.start('name')
    await g.clock.runUntilIdle()
    expect(g.calls).toEqual(['failed taken'])
  })

  it('ends when the listener or the assignor fails, and leaves', async () => {
    for (const call of ['assign', 'assigned work id-1@1', 'revoked', 'lost expelled']) {
      const f = new Fixture()
      f.throws[call] = new Error('defect')
      f.start()
      await f.clock.runUntilIdle()
      f.script.beat = () => (call.startsWith('lost') ? expelled() : 'rebalancing')
      await f.clock.advance(200)
      expect(f.calls.slice(-2)).toEqual([call, 'failed defect'])
      expect(f.script.left).toHaveLength(1)
    }
  })
})
