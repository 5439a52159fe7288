/**
 * Holds a whole application still, wherever its instances run: whoever wants that joins its group and says so.
 *
 * As long as he is a member, the group gives nobody any task. Before a member sends its own JoinGroup it has committed
 * everything and suspended its tasks, so once this one is assigned, all tasks stand at a commit; the others keep what
 * they have in memory and go on with it when he has left. When he dies, he is expelled after the session time-out, and
 * the application goes on.
 */
import { FatalError } from '../errors.ts'
import type { GroupMemberMetadata, GroupMembership, Log } from '../log/log.ts'
import { decodeMemberInfo, encodeMemberInfo, type MemberInfo } from './assignment.ts'

/** What is asked of the others: to wait, or to end in good order. */
export type Pause = 'hold' | 'stop'

/** Who holds an application. */
export interface PauseSpec {
  readonly log: Log
  readonly applicationId: string
  readonly sessionTimeoutMs?: number
  readonly rebalanceTimeoutMs?: number
}

/** An application that is held. */
export interface PausedApplication {
  /** `FatalError` `PAUSE_LOST` when it is held no longer. */
  check(): void
  /** Has all instances end; resolves when they have been told. */
  stopAll(): Promise<void>
}

/** Whether a member asks for a pause; `stop` goes before `hold`. */
export function pauseAskedBy(members: Iterable<MemberInfo>): Pause | undefined {
  const asked = new Set([...members].map(({ pause }) => pause))
  return asked.has('stop') ? 'stop' : asked.has('hold') ? 'hold' : undefined
}

/** An assignment that gives no tasks and says why. */
export function encodePause(pause: Pause): Uint8Array {
  return Buffer.from(JSON.stringify({ active: [], standby: [], pause }))
}

/** Reads what `encodePause` wrote; `undefined` for any other assignment. */
export function pauseIn(assignment: Uint8Array): Pause | undefined {
  if (assignment.length === 0) return undefined
  return (JSON.parse(Buffer.from(assignment).toString('utf8')) as { pause?: Pause }).pause
}

/** What the leader answers while a member asks for a pause: the same to everybody. */
export function assignPause(
  members: readonly GroupMemberMetadata[],
  pause: Pause,
): ReadonlyMap<string, Uint8Array> {
  return new Map(members.map(({ memberId }) => [memberId, encodePause(pause)]))
}

/**
 * Holds the application while `work` is under way; then it goes on. Resolves and rejects as `work` does. `FatalError`
 * `PAUSE_REFUSED` where the group's leader is of a version that knows no pause.
 */
export async function whilePaused<T>(
  spec: PauseSpec,
  work: (paused: PausedApplication) => Promise<T>,
): Promise<T> {
  const holder = new Holder(spec)
  try {
    await holder.until('hold')
    return await work(holder)
  } finally {
    await holder.leave()
  }
}

class Holder implements PausedApplication {
  private readonly spec: PauseSpec
  private readonly joining: Promise<GroupMembership>
  private asked: Pause = 'hold'
  private assigned: Pause | undefined
  private failure: Error | undefined
  private changed: () => void = () => undefined

  constructor(spec: PauseSpec) {
    this.spec = spec
    this.joining = this.join()
    this.joining.catch((error: unknown) => this.fail(error as Error))
  }

  /** Waits until every member has been given this pause. */
  async until(pause: Pause): Promise<void> {
    while (this.assigned !== pause) {
      if (this.failure !== undefined) throw this.failure
      await new Promise<void>((resolve) => (this.changed = resolve))
    }
    this.check()
  }

  check(): void {
    if (this.failure !== undefined) throw this.failure
  }

  async stopAll(): Promise<void> {
    this.check()
    this.asked = 'stop'
    const membership = await this.joining
    membership.requestRejoin()
    await this.until('stop')
  }

  async leave(): Promise<void> {
    const membership = await this.joining.catch(() => undefined)
    await membership?.leave().catch(() => undefined)
  }

  private join(): Promise<GroupMembership> {
    const { log, applicationId, sessionTimeoutMs, rebalanceTimeoutMs } = this.spec
    return log.joinGroup({
      groupId: applicationId,
      ...(sessionTimeoutMs !== undefined && { sessionTimeoutMs }),
      ...(rebalanceTimeoutMs !== undefined && { rebalanceTimeoutMs }),
      metadata: () => encodeMemberInfo({ instance: 'pause', working: [], stored: [], pause: this.asked }),
      assign: (members) => {
        const infos = members.map(({ metadata }) => decodeMemberInfo(metadata))
        return Promise.resolve(assignPause(members, pauseAskedBy(infos) ?? this.asked))
      },
      listener: {
        onAssigned: (assignment) => {
          this.assigned = pauseIn(assignment)
          if (this.assigned === undefined) this.fail(refused())
          this.changed()
          return Promise.resolve()
        },
        // While this is a member nobody gets a task, so there is nothing to give up.
        onRevoked: () => Promise.resolve(),
        onLost: (reason) => {
          this.fail(lost(reason))
          return Promise.resolve()
        },
        onFailed: (error) => this.fail(error),
      },
    })
  }

  private fail(error: Error): void {
    this.failure ??= error
    this.changed()
  }
}

function refused(): FatalError {
  return new FatalError(
    'PAUSE_REFUSED',
    'The group is led by an instance of an older version, which knows no pause. Stop the application first.',
  )
}

function lost(reason: Error): FatalError {
  return new FatalError('PAUSE_LOST', `The application could not be held any longer: ${reason.message}`, {
    cause: reason,
  })
}
