/**
 * Who works which task. Pure: the group's leader calls it with what the members say of themselves.
 *
 * Every member gets as many tasks as any other, or one more. A task stays where it is worked as far as that allows,
 * else it goes where a standby copy of its state is, else to where older state is; of several such members the one with
 * fewer tasks gets it. The same members and tasks always give the same assignment.
 *
 * Standby copies are kept by members of other processes than that of the owner, and of other processes than each other:
 * who would die together is of no help. A copy stays where it is, unless that member has more than its share.
 */
import { parseTaskName, taskName, type TaskId } from './task-id.ts'

/** What a member tells of itself when it joins. */
export interface MemberInfo {
  readonly instance: string
  /** Tasks it works now. */
  readonly working: readonly string[]
  /** Tasks whose state it has. */
  readonly stored: readonly string[]
  /** Tasks of which it has a standby copy that has caught up. Absent: none. */
  readonly copied?: readonly string[]
  /** Copies of each task that it asks for; it keeps some itself then. Absent, as an older version sends it: none. */
  readonly standbys?: number
  /** The same for members that end together. Absent: a process of its own. */
  readonly process?: string
  /** It wants the application to be held; see pause.ts. Absent: it does not. */
  readonly pause?: 'hold' | 'stop'
}

/** What a member is given. */
export interface Assignment<Task = TaskId> {
  /** To be worked. */
  readonly active: readonly Task[]
  /** Copies of their state are to be kept. */
  readonly standby: readonly Task[]
}

/** The info as a member sends it when it joins. */
export function encodeMemberInfo(info: MemberInfo): Uint8Array {
  return Buffer.from(JSON.stringify(info))
}

/** Reads what `encodeMemberInfo` wrote. */
export function decodeMemberInfo(bytes: Uint8Array): MemberInfo {
  return JSON.parse(Buffer.from(bytes).toString('utf8')) as MemberInfo
}

/** An assignment by task names, as the leader sends it. Without standby copies as older versions read it. */
export function encodeAssignment({ active, standby }: Assignment<string>): Uint8Array {
  return Buffer.from(JSON.stringify(standby.length === 0 ? active : { active, standby }))
}

/** Reads what `encodeAssignment` wrote, of this version or an older one; empty bytes are no tasks. */
export function decodeAssignment(bytes: Uint8Array): Assignment {
  if (bytes.length === 0) return { active: [], standby: [] }
  const sent = JSON.parse(Buffer.from(bytes).toString('utf8')) as readonly string[] | Assignment<string>
  const { active, standby } = 'active' in sent ? sent : { active: sent, standby: [] }
  const ids = (names: readonly string[]): TaskId[] => names.map((name) => parseTaskName(name)!)
  return { active: ids(active), standby: ids(standby) }
}

/** Hands out all tasks; task names by member id. */
export function assignTasks(
  members: ReadonlyMap<string, MemberInfo>,
  tasks: readonly TaskId[],
): ReadonlyMap<string, readonly string[]> {
  const ids = [...members.keys()].sort()
  const assigned = new Map<string, string[]>(ids.map((id) => [id, []]))
  if (ids.length === 0) return assigned
  const least = Math.floor(tasks.length / ids.length)
  let largerShares = tasks.length % ids.length
  const hasRoom = (id: string): boolean => {
    const count = assigned.get(id)!.length
    return count < least || (count === least && largerShares > 0)
  }
  const give = (id: string, task: string): void => {
    const own = assigned.get(id)!
    if (own.length === least) largerShares--
    own.push(task)
  }
  let left = tasks.map(taskName)
  for (const kind of ['working', 'copied', 'stored'] as const) {
    left = left.filter((task) => {
      const holders = ids.filter((id) => members.get(id)![kind]?.includes(task) && hasRoom(id))
      const [holder] = holders.sort((a, b) => assigned.get(a)!.length - assigned.get(b)!.length)
      if (holder === undefined) return true
      give(holder, task)
      return false
    })
  }
  for (const task of left) {
    const [emptiest] = ids.filter(hasRoom).sort((a, b) => assigned.get(a)!.length - assigned.get(b)!.length)
    give(emptiest!, task)
  }
  return assigned
}

/**
 * Hands out standby copies of `tasks`, those with state, to members that ask for copies themselves: as many of each as
 * the most demanding member asks for, as far as there are processes to keep them. Task names by member id.
 */
export function assignStandbys(
  members: ReadonlyMap<string, MemberInfo>,
  assigned: ReadonlyMap<string, readonly string[]>,
  tasks: readonly TaskId[],
): ReadonlyMap<string, readonly string[]> {
  const ids = [...members.keys()].sort()
  const keepers = ids.filter((id) => (members.get(id)!.standbys ?? 0) > 0)
  const copies = Math.max(0, ...keepers.map((id) => members.get(id)!.standbys!))
  const given = new Map<string, string[]>(ids.map((id) => [id, []]))
  const share = Math.ceil((copies * tasks.length) / Math.max(1, keepers.length))
  const owners = new Map([...assigned].flatMap(([id, own]) => own.map((task) => [task, id] as const)))
  const processOf = (id: string): string => members.get(id)!.process ?? `only ${id}`
  /** Processes that have the task, worked or copied. */
  const placesOf = (task: string): readonly string[] =>
    ids.filter((id) => owners.get(task) === id || given.get(id)!.includes(task)).map(processOf)
  const besideOwner = (id: string, task: string): number =>
    given.get(id)!.filter((other) => owners.get(other) === owners.get(task)).length

  for (let round = 0; round < copies; round++) {
    let left = tasks.map(taskName)
    for (const kind of ['copied', 'stored', 'anywhere'] as const) {
      left = left.filter((task) => {
        const places = placesOf(task)
        const [keeper] = keepers
          .filter((id) => !places.includes(processOf(id)))
          .filter((id) => {
            if (kind === 'anywhere') return true
            return members.get(id)![kind]?.includes(task) && given.get(id)!.length < share
          })
          // What one member works goes to several: its end shall not be one other member's burden.
          .sort(
            (a, b) =>
              besideOwner(a, task) - besideOwner(b, task) || given.get(a)!.length - given.get(b)!.length,
          )
        if (keeper === undefined) return true
        given.get(keeper)!.push(task)
        return false
      })
    }
  }
  return given
}
