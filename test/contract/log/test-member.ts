/** A group member that writes down what happens to it. */
import type { GroupMember, GroupMembership, JoinGroupOptions, Log } from '../../../src/log/log.ts'
import type { LogHarness } from './harness.ts'

type Call = 'assigned' | 'revoked' | 'lost'

export interface TestMember {
  name: string
  readonly membership: GroupMembership
  /** Listener calls in order, each noted when it begins. */
  readonly calls: (Call | 'failed')[]
  readonly reasons: Error[]
  /** What it owns now; null for nothing. */
  assigned: { readonly work: string; readonly memberId: string; readonly generation: number } | null
  /** The next such call does not end before it is released. */
  hold(call: Call): { release(): void }
  throwIn(call: Call): void
  /** As leader, hands nothing to the member of this name. */
  leaveOut(name: string): void
  /** Joins under this name from the next time on. */
  rename(name: string): void
}

/** Work is handed out as `<name> of <all names, sorted>`, so that a test sees whose view it is. */
function assignNames(
  members: readonly { memberId: string; metadata: Uint8Array }[],
  leftOut: ReadonlySet<string>,
): Map<string, Uint8Array> {
  const names = members.map(({ metadata }) => Buffer.from(metadata).toString())
  const all = [...names].sort().join()
  return new Map(
    members.flatMap(({ memberId }, i) =>
      leftOut.has(names[i]!) ? [] : [[memberId, Buffer.from(`${names[i]} of ${all}`)] as const],
    ),
  )
}

export interface TestMemberOptions {
  readonly groupInstanceId?: string
  /** Default 20 session time-outs. */
  readonly rebalanceTimeoutMs?: number
}

export async function joinTestGroup(
  harness: LogHarness,
  log: Log,
  groupId: string,
  name: string,
  { groupInstanceId, rebalanceTimeoutMs }: TestMemberOptions = {},
): Promise<TestMember> {
  const { sessionTimeoutMs } = harness.capabilities
  const holds = new Map<Call, Promise<void>>()
  const throwing = new Set<Call>()
  const leftOut = new Set<string>()
  const enter = async (call: Call): Promise<void> => {
    member.calls.push(call)
    const held = holds.get(call)
    holds.delete(call)
    await held
    if (throwing.has(call)) throw new Error(`${call} fails`)
  }
  const member: { -readonly [K in keyof TestMember]: TestMember[K] } = {
    name,
    membership: undefined as unknown as GroupMembership,
    calls: [],
    reasons: [],
    assigned: null,
    hold(call) {
      let release!: () => void
      holds.set(call, new Promise((resolve) => (release = resolve)))
      return { release }
    },
    throwIn: (call) => throwing.add(call),
    leaveOut: (other) => leftOut.add(other),
    rename: (other) => (member.name = other),
  }
  const options: JoinGroupOptions = {
    groupId,
    ...(groupInstanceId === undefined ? {} : { groupInstanceId }),
    sessionTimeoutMs,
    rebalanceTimeoutMs: rebalanceTimeoutMs ?? sessionTimeoutMs * 20,
    metadata: () => Buffer.from(member.name),
    assign: (members) => Promise.resolve(assignNames(members, leftOut)),
    listener: {
      async onAssigned(assignment: Uint8Array, { memberId, generation }: GroupMember) {
        await enter('assigned')
        member.assigned = { work: Buffer.from(assignment).toString(), memberId, generation }
      },
      async onRevoked() {
        await enter('revoked')
        member.assigned = null
      },
      async onLost(reason) {
        member.reasons.push(reason)
        member.assigned = null
        await enter('lost')
      },
      onFailed(error) {
        member.reasons.push(error)
        member.assigned = null
        member.calls.push('failed')
      },
    },
  }
  member.membership = await harness.run(log.joinGroup(options))
  return member
}
