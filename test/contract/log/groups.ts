/** Consumer groups: membership, rebalances, and the offsets a group commits inside transactions. */
import { beforeEach, expect, it } from 'vitest'
import type { Log, TopicPartition } from '../../../src/log/log.ts'
import { batchOf, eventually, failure, newProducer, newTopic, type LogHarness } from './harness.ts'
import { joinTestGroup, type TestMember, type TestMemberOptions } from './test-member.ts'

export function describeGroups(current: () => LogHarness): void {
  let h: LogHarness
  let log: Log
  let group: string
  let at: TopicPartition

  const join = (name: string, from: Log = log, options: TestMemberOptions = {}): Promise<TestMember> =>
    joinTestGroup(h, from, group, name, options)
  const settled = (...members: TestMember[]): Promise<void> =>
    eventually(h, `${members.map(({ name }) => name).join()} share the work`, () =>
      members.every(({ assigned, name }) => {
        const names = members.map((member) => member.name).sort()
        return (
          assigned?.work === `${name} of ${names.join()}` &&
          assigned.generation === members[0]!.assigned?.generation
        )
      }),
    )

  beforeEach(async () => {
    h = current()
    log = await h.open()
    group = h.unique('group')
    at = { topic: await newTopic(h, log), partition: 0 }
  })

  it('gives a member its assignment, with its identity', async () => {
    const member = await join('a')
    await settled(member)
    const described = await h.run(log.describeGroup(group))
    expect(described).toMatchObject({ groupId: group, state: 'stable' })
    expect(described.memberIds).toEqual([member.assigned?.memberId])
    expect(member.calls).toEqual(['assigned'])
  })

  it('tells unknown, empty and populated groups apart, and forgets only empty ones', async () => {
    expect((await h.run(log.describeGroup(group))).state).toBe('dead')
    const member = await join('a')
    await settled(member)
    await expect(h.run(log.deleteGroup(group))).rejects.toEqual(failure('FatalError', 'GROUP_NOT_EMPTY'))
    await h.run(member.membership.leave())
    await eventually(
      h,
      'the group is empty',
      async () => (await h.run(log.describeGroup(group))).state === 'empty',
    )
    await h.run(log.deleteGroup(group))
    expect((await h.run(log.describeGroup(group))).state).toBe('dead')
  })

  it('shares the work again when members come and go, in one generation after the other', async () => {
    const a = await join('a')
    await settled(a)
    const first = a.assigned!.generation
    const b = await join('b', await h.open())
    await settled(a, b)
    expect(a.calls).toEqual(['assigned', 'revoked', 'assigned'])
    expect(a.assigned!.generation).toBeGreaterThan(first)
    const second = a.assigned!.generation
    await h.run(b.membership.leave())
    expect(b.calls.at(-1)).toBe('revoked')
    await settled(a)
    expect(a.assigned!.generation).toBeGreaterThan(second)
    const third = a.assigned!.generation
    await h.run(a.membership.leave())
    const again = await join('a')
    await settled(again)
    expect(again.assigned!.generation).toBeGreaterThan(third)
  })

  it('expels a silent one of three, and gives its work to the others', async () => {
    const silent = await h.open()
    const a = await join('a')
    const b = await join('b', await h.open())
    const c = await join('c', silent)
    await settled(a, b, c)
    h.kill(silent)
    await h.elapse(h.capabilities.sessionTimeoutMs / 2)
    expect((await h.run(log.describeGroup(group))).memberIds).toHaveLength(3)
    await settled(a, b)
    expect((await h.run(log.describeGroup(group))).memberIds).toHaveLength(2)
    expect(a.calls).not.toContain('lost')
  })

  it('awaits a slow revocation while heartbeats go on, and lets nobody own its work meanwhile', async () => {
    const a = await join('a')
    await settled(a)
    const held = a.hold('revoked')
    const b = await join('b', await h.open())
    await eventually(h, 'a is asked to give up', () => a.calls.includes('revoked'))
    await h.elapse(h.capabilities.sessionTimeoutMs * 2)
    expect(b.assigned).toBe(null)
    expect((await h.run(log.describeGroup(group))).state).toBe('rebalancing')
    held.release()
    await settled(a, b)
    expect(a.calls).toEqual(['assigned', 'revoked', 'assigned'])
  })

  it('begins the next rebalance only when an assignment was taken', async () => {
    const a = await join('a')
    await settled(a)
    const held = a.hold('assigned')
    a.membership.requestRejoin()
    await eventually(h, 'a is being assigned', () => a.calls.length === 3)
    const b = await join('b', await h.open())
    await h.elapse(h.capabilities.sessionTimeoutMs)
    expect(a.calls).toEqual(['assigned', 'revoked', 'assigned'])
    held.release()
    await settled(a, b)
    expect(a.calls).toEqual(['assigned', 'revoked', 'assigned', 'revoked', 'assigned'])
  })

  it('goes on without a member that takes too long to give up, which joins again later', async () => {
    const options = { rebalanceTimeoutMs: h.capabilities.sessionTimeoutMs }
    const a = await join('a', log, options)
    await settled(a)
    const held = a.hold('revoked')
    const b = await join('b', await h.open(), options)
    await settled(b)
    held.release()
    await settled(a, b)
    expect(a.calls).toEqual(['assigned', 'revoked', 'assigned'])
  })

  it('joins again with other metadata when asked to', async () => {
    const a = await join('a')
    const b = await join('b', await h.open())
    await settled(a, b)
    b.rename('z')
    b.membership.requestRejoin()
    await settled(a, b)
    expect(b.calls.at(-1)).toBe('assigned')
  })

  it('gives a member that the leader left out an empty assignment', async () => {
    const a = await join('a')
    await settled(a)
    a.leaveOut('b')
    const b = await join('b', await h.open())
    await eventually(h, 'b is assigned nothing', () => b.assigned?.work === '')
    await eventually(h, 'a is assigned', () => a.calls.length >= 3)
  })

  it('ends the membership when the listener fails', async () => {
    const a = await join('a')
    await settled(a)
    a.throwIn('revoked')
    const b = await join('b', await h.open())
    await settled(b)
    expect(a.calls).toEqual(['assigned', 'revoked', 'failed'])
    expect(a.reasons).toEqual([expect.objectContaining({ message: 'revoked fails' })])
    await h.run(a.membership.leave())
  })

  it('keeps the place of a named member that comes back in time', async () => {
    const first = await h.open()
    const a = await join('a')
    const b = await join('b', first, { groupInstanceId: 'b-instance' })
    await settled(a, b)
    const generation = a.assigned!.generation
    h.kill(first)
    await h.elapse(h.capabilities.sessionTimeoutMs / 3)
    const back = await join('b', await h.open(), { groupInstanceId: 'b-instance' })
    await settled(a, back)
    expect(a.assigned!.generation).toBe(generation)
    expect(a.calls.filter((call) => call === 'revoked').length).toBe(
      a.calls.filter((call) => call === 'assigned').length - 1,
    )
  })

  it('expels a named member that does not come back', async () => {
    const first = await h.open()
    const a = await join('a')
    const b = await join('b', first, { groupInstanceId: 'b-instance' })
    await settled(a, b)
    h.kill(first)
    await settled(a)
  })

  it('shuts out the earlier bearer of a name', async () => {
    const a = await join('a', log, { groupInstanceId: 'the-name' })
    await settled(a)
    const young = await join('a', await h.open(), { groupInstanceId: 'the-name' })
    await settled(young)
    await eventually(h, 'the earlier one is told', () => a.calls.includes('failed'))
    expect(a.calls).toEqual(['assigned', 'lost', 'failed'])
    expect(a.reasons.at(-1)).toEqual(failure('FencedError', 'FENCED_INSTANCE_ID'))
  })

  it('lets the others take over at once when a log is closed', async () => {
    const other = await h.open()
    const a = await join('a')
    const b = await join('b', other)
    await settled(a, b)
    const before = h.nowMs()
    await h.run(other.close())
    await settled(a)
    expect(h.nowMs() - before).toBeLessThan(h.capabilities.sessionTimeoutMs)
  })

  it('commits offsets with the transaction, and not when it is aborted', async () => {
    const producer = await newProducer(h, log)
    const committed = async (): Promise<unknown> => h.run(log.committedOffsets(group, [at]))
    expect(await committed()).toEqual([null])
    producer.begin()
    await h.run(producer.addOffsets(group, [{ ...at, offset: 7n }]))
    await h.run(producer.commit())
    expect(await committed()).toEqual([7n])
    producer.begin()
    await h.run(producer.send([batchOf(at, 'x')]))
    await h.run(producer.addOffsets(group, [{ ...at, offset: 8n }]))
    await h.run(producer.addOffsets(group, [{ ...at, offset: 9n }]))
    await h.run(producer.abort())
    expect(await committed()).toEqual([7n])
    producer.begin()
    await h.run(producer.addOffsets(group, [{ ...at, offset: 8n }]))
    await h.run(producer.addOffsets(group, [{ ...at, offset: 9n }]))
    await h.run(producer.commit())
    expect(await committed()).toEqual([9n])
  })

  it('makes readers of offsets wait for a transaction that holds them', async () => {
    const producer = await newProducer(h, log)
    producer.begin()
    await h.run(producer.addOffsets(group, [{ ...at, offset: 7n }]))
    const other = await h.open()
    let answered = false
    const waiting = other.committedOffsets(group, [at]).then((offsets) => {
      answered = true
      return offsets
    })
    await h.elapse(1000)
    expect(answered).toBe(false)
    await h.run(producer.commit())
    expect(await h.run(waiting)).toEqual([7n])
  })

  it('gives up on offsets that stay held', async () => {
    if (h.capabilities.unstableOffsetsMs === null) return
    const producer = await newProducer(h, log)
    producer.begin()
    await h.run(producer.addOffsets(group, [{ ...at, offset: 7n }]))
    await expect(h.run(log.committedOffsets(group, [at]))).rejects.toEqual(
      failure('RetriableError', 'OFFSETS_UNSTABLE'),
    )
  })

  it('takes offsets of current members only', async () => {
    const a = await join('a')
    await settled(a)
    const member = { groupId: group, memberId: a.assigned!.memberId, generation: a.assigned!.generation }
    const attempt = async (as: typeof member | undefined): Promise<void> => {
      const producer = await newProducer(h, log)
      producer.begin()
      try {
        await h.run(producer.addOffsets(group, [{ ...at, offset: 1n }], as))
        await h.run(producer.commit())
      } finally {
        await h.run(producer.close())
      }
    }
    await attempt(member)
    expect(await h.run(log.committedOffsets(group, [at]))).toEqual([1n])
    const fenced = expect.objectContaining({ name: 'FencedError' })
    await expect(attempt({ ...member, generation: member.generation - 1 })).rejects.toEqual(fenced)
    await expect(attempt({ ...member, memberId: 'stranger' })).rejects.toEqual(fenced)
    await expect(attempt(undefined)).rejects.toEqual(fenced)
    const b = await join('b', await h.open())
    await settled(a, b)
    await expect(attempt(member)).rejects.toEqual(fenced)
    await h.run(a.membership.leave())
    await h.run(b.membership.leave())
    await eventually(
      h,
      'the group is empty',
      async () => (await h.run(log.describeGroup(group))).state === 'empty',
    )
    await attempt(undefined)
  })

  it('still takes offsets of a member that is asked to give up its work', async () => {
    const a = await join('a')
    await settled(a)
    const held = a.hold('revoked')
    const b = await join('b', await h.open())
    await eventually(h, 'a is asked to give up', () => a.calls.includes('revoked'))
    const producer = await newProducer(h, log)
    producer.begin()
    const member = { groupId: group, memberId: a.assigned!.memberId, generation: a.assigned!.generation }
    await h.run(producer.addOffsets(group, [{ ...at, offset: 3n }], member))
    await h.run(producer.commit())
    held.release()
    await settled(a, b)
    expect(await h.run(log.committedOffsets(group, [at]))).toEqual([3n])
  })
}
