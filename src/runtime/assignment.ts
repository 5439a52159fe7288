/**
 * Who works which task. Pure: the group's leader calls it with what the members say of themselves.
 *
 * Every member gets as many tasks as any other, or one more. A task stays where its state is as far as that allows;
 * of several members that have the state the one with fewer tasks gets it. The same members and tasks always give the
 * same assignment.
 */
import { parseTaskName, taskName, type TaskId } from './task-id.ts'

/** What a member tells of itself when it joins. */
export interface MemberInfo {
  readonly instance: string
  /** Tasks it works now. */
  readonly working: readonly string[]
  /** Tasks whose state it has. */
  readonly stored: readonly string[]
  /** It wants the application to be held; see pause.ts. Absent: it does not. */
  readonly pause?: 'hold' | 'stop'
}

/** The info as a member sends it when it joins. */
export function encodeMemberInfo(info: MemberInfo): Uint8Array {
  return Buffer.from(JSON.stringify(info))
}

/** Reads what `encodeMemberInfo` wrote. */
export function decodeMemberInfo(bytes: Uint8Array): MemberInfo {
  return JSON.parse(Buffer.from(bytes).toString('utf8')) as MemberInfo
}

/** Task names as the leader sends them to a member. */
export function encodeAssignment(tasks: readonly string[]): Uint8Array {
  return Buffer.from(JSON.stringify(tasks))
}

/** The tasks of an assignment; empty bytes are no tasks. */
export function decodeAssignment(bytes: Uint8Array): readonly TaskId[] {
  if (bytes.length === 0) return []
  const names = JSON.parse(Buffer.from(bytes).toString('utf8')) as string[]
  return names.map((name) => parseTaskName(name)!)
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
  for (const kind of ['working', 'stored'] as const) {
    left = left.filter((task) => {
      const holders = ids.filter((id) => members.get(id)![kind].includes(task) && hasRoom(id))
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
