import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  assignTasks,
  decodeAssignment,
  decodeMemberInfo,
  encodeAssignment,
  encodeMemberInfo,
  type MemberInfo,
} from '../../../src/runtime/assignment.ts'
import { parseTaskName, taskName } from '../../../src/runtime/task-id.ts'

/** Tasks 0_0, 0_1, … */
const tasksOf = (count: number) =>
  Array.from({ length: count }, (_, partition) => ({ subTopology: 0, partition }))
const namesOf = (numbers: readonly number[]) => numbers.map((partition) => `0_${partition}`)

function membersOf(all: Record<string, { working?: readonly number[]; stored?: readonly number[] }>) {
  return new Map(
    Object.entries(all).map(([id, { working = [], stored = [] }]): [string, MemberInfo] => [
      id,
      { instance: id, working: namesOf(working), stored: namesOf(stored) },
    ]),
  )
}

/** Members, each task worked by at most one, some stored here and there, some of tasks that are no more. */
const groups = fc
  .record({ members: fc.integer({ min: 1, max: 6 }), tasks: fc.nat(20) })
  .chain(({ members, tasks }) =>
    fc.record({
      tasks: fc.constant(tasks),
      owners: fc.array(fc.option(fc.nat(members - 1)), { minLength: tasks + 2, maxLength: tasks + 2 }),
      stored: fc.array(fc.array(fc.nat(tasks + 1), { maxLength: 8 }), {
        minLength: members,
        maxLength: members,
      }),
    }),
  )
  .map(({ tasks, owners, stored }) => ({
    tasks: tasksOf(tasks),
    members: new Map(
      stored.map((own, index): [string, MemberInfo] => [
        `member-${index}`,
        {
          instance: `instance-${index}`,
          working: namesOf(owners.flatMap((owner, task) => (owner === index ? [task] : []))),
          stored: namesOf([...new Set(own)]),
        },
      ]),
    ),
  }))

describe('assignTasks', () => {
  it('hands out every task once, and as many to each member as to any other, or one more', () => {
    fc.assert(
      fc.property(groups, ({ members, tasks }) => {
        const assigned = assignTasks(members, tasks)
        expect([...assigned.keys()].sort()).toEqual([...members.keys()].sort())
        expect([...assigned.values()].flat().sort()).toEqual(tasks.map(taskName).sort())
        const shares = [...assigned.values()].map((own) => own.length)
        expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1)
      }),
      { seed: 441, numRuns: 1000 },
    )
  })

  it('moves no more tasks that are being worked than balance asks for', () => {
    fc.assert(
      fc.property(groups, ({ members, tasks }) => {
        const assigned = assignTasks(members, tasks)
        const names = new Set(tasks.map(taskName))
        const least = Math.floor(tasks.length / members.size)
        const larger = tasks.length % members.size
        // The most that can stay: of each member's tasks its share, and one more for as many as get one more.
        const worked = [...members.values()].map(
          ({ working }) => working.filter((name) => names.has(name)).length,
        )
        const most =
          worked.reduce((sum, count) => sum + Math.min(count, least), 0) +
          Math.min(larger, worked.filter((count) => count > least).length)
        let kept = 0
        for (const [id, own] of assigned)
          kept += own.filter((name) => members.get(id)!.working.includes(name)).length
        expect(kept).toBe(most)
      }),
      { seed: 442, numRuns: 1000 },
    )
  })

  it('gives the same whatever the order in which members and tasks are named', () => {
    fc.assert(
      fc.property(groups, fc.infiniteStream(fc.nat()), ({ members, tasks }, draws) => {
        const shuffled = [...members]
          .map((entry) => [draws.next().value as number, entry] as const)
          .sort(([a], [b]) => a - b)
          .map(([, entry]) => entry)
        const plain = (assigned: ReadonlyMap<string, readonly string[]>) =>
          Object.fromEntries([...assigned].map(([id, own]) => [id, [...own]]))
        expect(plain(assignTasks(new Map(shuffled), tasks))).toEqual(plain(assignTasks(members, tasks)))
      }),
      { seed: 443, numRuns: 300 },
    )
  })

  it('changes nothing when everybody has what it is due', () => {
    const members = membersOf({ a: { working: [0, 3] }, b: { working: [1] }, c: { working: [2] } })
    const assigned = assignTasks(members, tasksOf(4))
    expect(assigned).toEqual(
      new Map([
        ['a', namesOf([0, 3])],
        ['b', namesOf([1])],
        ['c', namesOf([2])],
      ]),
    )
  })

  it('gives a new member its share, and leaves the others what they may keep', () => {
    const members = membersOf({ a: { working: [0, 1] }, b: { working: [2, 3] }, c: {} })
    const assigned = assignTasks(members, tasksOf(4))
    expect(assigned.get('c')).toHaveLength(1)
    const kept = ['a', 'b'].flatMap((id) =>
      assigned.get(id)!.filter((name) => members.get(id)!.working.includes(name)),
    )
    expect(kept).toHaveLength(3)
  })

  it('gives a task of a lost member to one that has its state, the one with fewer tasks', () => {
    const members = membersOf({ a: { working: [0], stored: [0, 2] }, b: { working: [], stored: [2] } })
    expect(assignTasks(members, tasksOf(3)).get('b')).toContain('0_2')
  })

  it('has nothing to hand out without tasks, and nobody to hand out to without members', () => {
    expect(assignTasks(membersOf({ a: { working: [7] } }), [])).toEqual(new Map([['a', []]]))
    expect(assignTasks(new Map(), tasksOf(3))).toEqual(new Map())
  })
})

describe('what members and the leader send', () => {
  it('is read as it was written', () => {
    const info = { instance: 'i-ä', working: ['0_1'], stored: ['0_1', '1_0'] }
    expect(decodeMemberInfo(encodeMemberInfo(info))).toEqual(info)
    expect(decodeAssignment(encodeAssignment(['0_1', '1_0']))).toEqual(
      ['0_1', '1_0'].map((name) => parseTaskName(name)),
    )
  })

  it('is no tasks where it is empty', () => {
    expect(decodeAssignment(new Uint8Array(0))).toEqual([])
    expect(decodeAssignment(encodeAssignment([]))).toEqual([])
  })
})
