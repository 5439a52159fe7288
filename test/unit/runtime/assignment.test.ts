import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  assignStandbys,
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

/** Members as `groups` makes them, some of which keep copies, some together in a process. */
const keepers = groups.chain(({ members, tasks }) =>
  fc
    .array(
      fc.record({ standbys: fc.nat(2), process: fc.option(fc.nat(2)), copied: fc.subarray([0, 1, 2, 3]) }),
      {
        minLength: members.size,
        maxLength: members.size,
      },
    )
    .map((more) => ({
      tasks,
      members: new Map(
        [...members].map(([id, info], index): [string, MemberInfo] => {
          const { standbys, process, copied } = more[index]!
          if (standbys === 0) return [id, info]
          const alone = process === null
          return [
            id,
            { ...info, standbys, copied: namesOf(copied), ...(!alone && { process: `p${process}` }) },
          ]
        }),
      ),
    })),
)

describe('assignStandbys', () => {
  const processOf = (members: ReadonlyMap<string, MemberInfo>, id: string) => members.get(id)!.process ?? id

  it('gives as many copies as asked for, as far as there are processes, none beside its task or another copy', () => {
    let full = 0
    fc.assert(
      fc.property(keepers, ({ members, tasks }) => {
        const assigned = assignTasks(members, tasks)
        const given = assignStandbys(members, assigned, tasks)
        const wanted = Math.max(0, ...[...members.values()].map(({ standbys = 0 }) => standbys))
        for (const task of tasks.map(taskName)) {
          const [owner] = [...assigned].find(([, own]) => own.includes(task))!
          const holders = [...given].filter(([, own]) => own.includes(task)).map(([id]) => id)
          const places = [owner, ...holders].map((id) => processOf(members, id))
          expect(new Set(places).size).toBe(places.length)
          for (const id of holders) expect(members.get(id)!.standbys).toBeGreaterThan(0)
          const eligible = [...members].filter(([, { standbys = 0 }]) => standbys > 0).map(([id]) => id)
          const processes = new Set(eligible.map((id) => processOf(members, id)))
          processes.delete(processOf(members, owner))
          expect(holders).toHaveLength(Math.min(wanted, processes.size))
          if (holders.length === 2) full++
        }
      }),
      { seed: 444, numRuns: 1000 },
    )
    expect(full).toBeGreaterThan(100)
  })

  it('gives every member about as many as any other', () => {
    for (let members = 2; members <= 6; members++) {
      for (let tasks = 1; tasks <= 20; tasks++) {
        const infos = new Map(
          Array.from({ length: members }, (_, index): [string, MemberInfo] => [
            `m${index}`,
            { instance: '', working: [], stored: [], standbys: 1 },
          ]),
        )
        const given = assignStandbys(infos, assignTasks(infos, tasksOf(tasks)), tasksOf(tasks))
        const shares = [...given.values()].map((own) => own.length)
        expect(Math.max(...shares) - Math.min(...shares), `${tasks} over ${members}`).toBeLessThanOrEqual(2)
      }
    }
  })

  it('leaves copies where they are, and spreads those of one owner over the others', () => {
    const asking = { instance: '', stored: [], standbys: 1 }
    const members = new Map<string, MemberInfo>([
      ['a', { ...asking, working: namesOf([0, 1]) }],
      ['b', { ...asking, working: namesOf([2, 3]), copied: ['0_1'] }],
      ['c', { ...asking, working: namesOf([4, 5]), copied: ['0_2', '0_0'] }],
    ])
    const given = assignStandbys(members, assignTasks(members, tasksOf(6)), tasksOf(6))
    expect(given.get('c')).toEqual(expect.arrayContaining(['0_2', '0_0']))
    expect(given.get('b')).toContain('0_1')
    const places = ['0_4', '0_5'].map((task) => [...given].find(([, own]) => own.includes(task))![0])
    expect(places.sort()).toEqual(['a', 'b'])
  })

  it('lets a task whose owner is gone go to its copy, before older state', () => {
    const members = new Map<string, MemberInfo>([
      ['a', { instance: '', working: namesOf([0]), stored: namesOf([0, 2, 3]), standbys: 1 }],
      ['b', { instance: '', working: namesOf([1]), stored: [], copied: namesOf([2]), standbys: 1 }],
    ])
    const assigned = assignTasks(members, tasksOf(4))
    expect(assigned.get('b')).toContain('0_2')
    expect(assigned.get('a')).toContain('0_3')
  })

  it('gives none where nobody asks, and none to who does not ask', () => {
    const members = membersOf({ a: { working: [0] }, b: { working: [1] } })
    const none = new Map([
      ['a', []],
      ['b', []],
    ])
    expect(assignStandbys(members, assignTasks(members, tasksOf(2)), tasksOf(2))).toEqual(none)
    members.set('a', { ...members.get('a')!, standbys: 2 })
    expect(assignStandbys(members, assignTasks(members, tasksOf(2)), tasksOf(2))).toEqual(
      new Map([
        ['a', ['0_1']],
        ['b', []],
      ]),
    )
  })
})

describe('what members and the leader send', () => {
  it('is read as it was written', () => {
    const info = { instance: 'i-ä', working: ['0_1'], stored: ['0_1', '1_0'] }
    expect(decodeMemberInfo(encodeMemberInfo(info))).toEqual(info)
    const tasks = ['0_1', '1_0'].map((name) => parseTaskName(name))
    expect(decodeAssignment(encodeAssignment({ active: ['0_1', '1_0'], standby: [] }))).toEqual({
      active: tasks,
      standby: [],
    })
    expect(decodeAssignment(encodeAssignment({ active: [], standby: ['0_1', '1_0'] }))).toEqual({
      active: [],
      standby: tasks,
    })
  })

  it('is read in the form of versions without standby copies, and sent so where there are none', () => {
    const older = Buffer.from('["0_1"]')
    expect(decodeAssignment(older)).toEqual({ active: [parseTaskName('0_1')], standby: [] })
    expect(Buffer.from(encodeAssignment({ active: ['0_1'], standby: [] }))).toEqual(older)
    const info = { instance: 'i', working: [], stored: ['0_1'] }
    expect(decodeMemberInfo(Buffer.from(JSON.stringify(info)))).toEqual(info)
  })

  it('is no tasks where it is empty', () => {
    expect(decodeAssignment(new Uint8Array(0))).toEqual({ active: [], standby: [] })
    expect(decodeAssignment(encodeAssignment({ active: [], standby: [] }))).toEqual({
      active: [],
      standby: [],
    })
  })
})
