import { describe, expect, it } from 'vitest'
import { Group } from '../../../../src/log/embedded/group.ts'
import type { JoinAnswer, JoinRequest, MemberReference } from '../../../../src/log/group-protocol.ts'
import { SimulatedClock } from '../../../../src/testing/simulated-clock.ts'

const SESSION_MS = 1_000
const REBALANCE_MS = 5_000

class Fixture {
  readonly clock = new SimulatedClock()
  readonly stored: number[] = []
  store: (generation: number) => Promise<void> = (generation) =>
    Promise.resolve(void this.stored.push(generation))
  readonly group = new Group('g', 0, this.clock, (generation) => this.store(generation))

  request(memberId: string, part: Partial<JoinRequest> = {}): JoinRequest {
    return {
      groupId: 'g',
      groupInstanceId: null,
      memberId,
      newMember: true,
      sessionTimeoutMs: SESSION_MS,
      rebalanceTimeoutMs: REBALANCE_MS,
      metadata: Buffer.from(memberId),
      ...part,
    }
  }

  /** Joins, and notes how it ends. */
  join(memberId: string, part: Partial<JoinRequest> = {}): Noted<JoinAnswer> {
    return new Noted(this.group.join(this.request(memberId, part)))
  }

  async settle(): Promise<void> {
    await this.clock.runUntilIdle()
  }

  /** A stable group of these members; the first one leads. */
  async stable(...memberIds: string[]): Promise<void> {
    for (const id of memberIds) this.join(id)
    for (const id of memberIds.slice(0, -1)) this.join(id, { newMember: false })
    await this.settle()
    const assignments = new Map(memberIds.map((id) => [id, Buffer.from(`work of ${id}`)]))
    for (const id of memberIds) {
      void this.group.sync({ ...this.member(id), assignments: id === memberIds[0] ? assignments : null })
    }
    await this.settle()
    expect(this.group.describe()).toMatchObject({ state: 'stable', memberIds })
  }

  member(memberId: string, generation = this.group.generation): MemberReference {
    return { groupId: 'g', memberId, generation, groupInstanceId: null }
  }

  /** Lets time pass while these members beat. */
  async beat(ms: number, ...memberIds: string[]): Promise<void> {
    for (let passedMs = 0; passedMs < ms; passedMs += SESSION_MS / 2) {
      for (const id of memberIds) this.group.heartbeat(this.member(id))
      await this.clock.advance(SESSION_MS / 2)
    }
  }
}

class Noted<T> {
  value: T | null = null
  code: string | null = null

  constructor(work: Promise<T>) {
    work.then(
      (value) => (this.value = value),
      (error: { code: string }) => (this.code = error.code),
    )
  }
}

describe('Group', () => {
  it('tells only the leader who the members are', async () => {
    const f = new Fixture()
    f.join('a')
    await f.settle()
    const b = f.join('b')
    const a = f.join('a', { newMember: false })
    await f.settle()
    expect(a.value).toMatchObject({ generation: 2, leader: true })
    expect(a.value?.members.map(({ memberId, metadata }) => [memberId, metadata.toString()])).toEqual([
      ['a', 'a'],
      ['b', 'b'],
    ])
    expect(b.value).toEqual({ memberId: 'b', generation: 2, leader: false, members: [] })
    expect(f.stored).toEqual([1, 2])
  })

  it('gives out a generation only when it is stored', async () => {
    const f = new Fixture()
    let fail!: (error: Error) => void
    f.store = () => new Promise((_, reject) => (fail = reject))
    const a = f.join('a')
    await f.settle()
    expect([a.value, a.code]).toEqual([null, null])
    fail(Object.assign(new Error('disk'), { code: 'LOG_DISK_FULL' }))
    await f.settle()
    expect(a.code).toBe('LOG_DISK_FULL')
  })

  it('answers a repeated JoinGroup with the generation that it missed', async () => {
    const f = new Fixture()
    const lost = f.join('a')
    await f.settle()
    expect(lost.value?.leader).toBe(true)
    const again = f.join('a')
    await f.settle()
    expect(again.value).toEqual(lost.value)
    expect(f.group.generation).toBe(1)
    const waiting = f.join('b')
    const repeated = f.join('b')
    await f.settle()
    expect(waiting.code).toBe('JOIN_REPEATED')
    f.join('a', { newMember: false })
    await f.settle()
    expect(repeated.value?.generation).toBe(2)
  })

  it('rebalances for changed metadata and for the leader, not for a follower that joins unchanged', async () => {
    const f = new Fixture()
    await f.stable('a', 'b')
    const before = f.group.generation
    const unchanged = f.join('b', { newMember: false })
    await f.settle()
    expect(unchanged.value).toEqual({ memberId: 'b', generation: before, leader: false, members: [] })
    expect(f.group.heartbeat(f.member('a'))).toBe('stable')
    f.join('b', { newMember: false, metadata: Buffer.from('changed') })
    expect(f.group.heartbeat(f.member('a'))).toBe('rebalancing')
    const g = new Fixture()
    await g.stable('a', 'b')
    g.join('a', { newMember: false })
    expect(g.group.heartbeat(g.member('b'))).toBe('rebalancing')
  })

  it('gives everybody its assignment, also who asks later or again', async () => {
    const f = new Fixture()
    f.join('a')
    await f.settle()
    f.join('b')
    f.join('a', { newMember: false })
    await f.settle()
    const early = new Noted(f.group.sync({ ...f.member('b'), assignments: null }))
    await f.settle()
    expect(early.value).toBe(null)
    const assignments = new Map([['b', Buffer.from('work')]])
    const leader = new Noted(f.group.sync({ ...f.member('a'), assignments }))
    const late = new Noted(f.group.sync({ ...f.member('b'), assignments: null }))
    await f.settle()
    for (const noted of [early, late]) expect(Buffer.from(noted.value!).toString()).toBe('work')
    expect(leader.value).toHaveLength(0)
  })

  it('does not take assignments from a follower', async () => {
    const f = new Fixture()
    f.join('a')
    await f.settle()
    f.join('b')
    f.join('a', { newMember: false })
    await f.settle()
    void f.group
      .sync({ ...f.member('b'), assignments: new Map([['b', Buffer.from('all')]]) })
      .catch(() => undefined)
    expect(f.group.state).toBe('completing')
  })

  it('expels who is silent, and nobody who waits for the others', async () => {
    const f = new Fixture()
    await f.stable('a', 'b')
    const waiting = f.join('c')
    await f.beat(SESSION_MS * 3, 'a', 'b')
    expect(f.group.describe().memberIds).toEqual(['a', 'b', 'c'])
    expect([waiting.value, waiting.code]).toEqual([null, null])
    await f.beat(SESSION_MS, 'a')
    expect(f.group.describe().memberIds).toEqual(['a', 'c'])
    expect(() => f.group.heartbeat(f.member('b'))).toThrow(
      expect.objectContaining({ name: 'FencedError', code: 'UNKNOWN_MEMBER_ID' }),
    )
  })

  it('goes on without those that do not join in time', async () => {
    const f = new Fixture()
    await f.stable('a', 'b')
    const c = f.join('c')
    f.join('a', { newMember: false })
    await f.beat(REBALANCE_MS, 'b')
    expect(c.value?.generation).toBe(f.group.generation)
    expect(f.group.describe().memberIds).toEqual(['a', 'c'])
    const late = new Noted(Promise.resolve().then(() => f.group.join(f.request('b', { newMember: false }))))
    await f.settle()
    expect(late.code).toBe('UNKNOWN_MEMBER_ID')
  })

  it('goes on without a leader that beats but never hands out the work', async () => {
    const f = new Fixture()
    f.join('a')
    await f.settle()
    f.join('b')
    f.join('a', { newMember: false })
    await f.settle()
    const sync = new Noted(f.group.sync({ ...f.member('b'), assignments: null }))
    await f.beat(REBALANCE_MS, 'a')
    expect(sync.code).toBe('REBALANCE_IN_PROGRESS')
    const b = f.join('b', { newMember: false })
    await f.settle()
    expect(b.value).toMatchObject({ leader: true })
    expect(f.group.describe().memberIds).toEqual(['b'])
  })

  it('refuses members of an earlier generation', async () => {
    const f = new Fixture()
    await f.stable('a', 'b')
    const stale = f.member('a', f.group.generation - 1)
    const illegal = expect.objectContaining({ name: 'FencedError', code: 'ILLEGAL_GENERATION' })
    expect(() => f.group.heartbeat(stale)).toThrow(illegal)
    expect(() => f.group.sync({ ...stale, assignments: null })).toThrow(illegal)
    expect(() => f.group.checkOffsetCommit(stale)).toThrow(illegal)
    f.group.checkOffsetCommit(f.member('a'))
  })

  it('keeps the work of a named leader that restarts', async () => {
    const f = new Fixture()
    const named = { groupInstanceId: 'name' }
    f.join('old', named)
    await f.settle()
    const reference = { ...f.member('old'), ...named }
    void f.group.sync({ ...reference, assignments: new Map([['old', Buffer.from('work')]]) })
    await f.settle()
    const back = f.join('new', { ...named, metadata: Buffer.from('old') })
    await f.settle()
    expect(back.value).toEqual({ memberId: 'new', generation: 1, leader: false, members: [] })
    const work = new Noted(f.group.sync({ ...f.member('new'), ...named, assignments: null }))
    await f.settle()
    expect(Buffer.from(work.value!).toString()).toBe('work')
    const fenced = expect.objectContaining({ name: 'FencedError', code: 'FENCED_INSTANCE_ID' })
    expect(() => f.group.heartbeat(reference)).toThrow(fenced)
    expect(() => f.group.join(f.request('old', { ...named, newMember: false }))).toThrow(fenced)
  })

  it('waits for a named member that is away until its session ends', async () => {
    const f = new Fixture()
    f.join('a')
    await f.settle()
    f.join('b', { groupInstanceId: 'name', sessionTimeoutMs: REBALANCE_MS * 3 })
    f.join('a', { newMember: false })
    await f.settle()
    void f.group.sync({ ...f.member('a'), assignments: new Map() })
    void f.group.sync({ ...f.member('b'), assignments: null })
    await f.settle()
    f.join('c')
    const a = f.join('a', { newMember: false })
    await f.clock.advance(REBALANCE_MS + 1)
    expect(a.value).toMatchObject({ leader: true })
    expect(f.group.describe().memberIds).toEqual(['a', 'b', 'c'])
    void f.group.sync({ ...f.member('a'), assignments: new Map() })
    void f.group.sync({ ...f.member('c'), assignments: null })
    await f.beat(REBALANCE_MS, 'a', 'c')
    expect(f.group.describe().memberIds).toEqual(['a', 'b', 'c'])
    await f.beat(REBALANCE_MS * 2, 'a', 'c')
    expect(f.group.describe().memberIds).toEqual(['a', 'c'])
  })

  it('raises the generation when the last one leaves, and stays empty', async () => {
    const f = new Fixture()
    await f.stable('a')
    f.group.leave(f.member('a'))
    f.group.leave(f.member('a'))
    expect(f.group.describe()).toEqual({ groupId: 'g', state: 'empty', memberIds: [] })
    expect(f.stored).toEqual([1, 2])
    f.group.checkOffsetCommit(null)
    await f.clock.advance(60_000)
    f.group.markDead()
    expect(f.group.describe().state).toBe('dead')
  })
})
