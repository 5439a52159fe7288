/**
 * Named moments at which a process is killed, between the runtime and its log and state. The runtime knows nothing of
 * them: they are put around the ports.
 */
import type { Log, LogProducer } from '../../src/log/log.ts'
import type { StateBackend, StateDirectory } from '../../src/state/backend.ts'

/** A start comes last: only then there is a former owner to be fenced, and a changelog to be restored from. */
export const KILL_POINTS = [
  'commit: before outputs and changelog entries are sent',
  'commit: after outputs and changelog entries were sent',
  'commit: after the commit entries were sent',
  'commit: before the input offsets are added',
  'commit: after the input offsets were added',
  'commit: while it is decided',
  'commit: after it was decided, before it is applied',
  'flush: before the state is written to disk',
  'flush: while the state is being written to disk',
  'flush: after the state was written to disk',
  'start: after the former owner was fenced',
  'start: after the committed offsets were read',
  'start: after the local state was opened',
  'start: after a batch of the changelog was restored',
  'start: before the ownership is committed',
  'start: after the ownership was committed',
] as const

export type KillPoint = (typeof KILL_POINTS)[number]

/** Kills this process at the n-th time that a point is reached. */
export class Killer {
  private readonly point: KillPoint
  private left: number

  constructor(point: KillPoint, occurrence: number) {
    this.point = point
    this.left = occurrence
  }

  reach(point: KillPoint): void {
    if (point !== this.point || --this.left > 0) return
    process.kill(process.pid, 'SIGKILL')
    // The signal arrives at once, but not necessarily before the next instruction.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  }

  /** Whether the next call of the point would be the last. */
  isNext(point: KillPoint): boolean {
    return point === this.point && this.left === 1
  }
}

/** The log with a killer around it. */
export function killedLog(log: Log, killer: Killer): Log {
  return around(log, {
    async fenceProducer(transactionalId: string) {
      await log.fenceProducer(transactionalId)
      killer.reach('start: after the former owner was fenced')
    },
    async committedOffsets(...args: Parameters<Log['committedOffsets']>) {
      const offsets = await log.committedOffsets(...args)
      killer.reach('start: after the committed offsets were read')
      return offsets
    },
    async producer(options: Parameters<Log['producer']>[0]) {
      const producer = await log.producer(options)
      return options.transactionalId.endsWith('-run') ? producer : killedProducer(producer, killer)
    },
  })
}

function killedProducer(producer: LogProducer, killer: Killer): LogProducer {
  // The first transaction of a producer names the owner; a commit sends its outputs first and its entries second.
  let claimed = false
  return around(producer, {
    async send(batches: Parameters<LogProducer['send']>[0]) {
      const isEntries = batches.every(({ topic }) => topic.includes('-commits-'))
      if (!claimed) killer.reach('start: before the ownership is committed')
      else if (!isEntries) killer.reach('commit: before outputs and changelog entries are sent')
      const offsets = await producer.send(batches)
      if (claimed && !isEntries) killer.reach('commit: after outputs and changelog entries were sent')
      if (claimed && isEntries) killer.reach('commit: after the commit entries were sent')
      return offsets
    },
    async addOffsets(...args: Parameters<LogProducer['addOffsets']>) {
      if (claimed) killer.reach('commit: before the input offsets are added')
      await producer.addOffsets(...args)
      if (claimed) killer.reach('commit: after the input offsets were added')
    },
    async commit() {
      if (claimed && killer.isNext('commit: while it is decided')) void producer.commit()
      if (claimed) killer.reach('commit: while it is decided')
      await producer.commit()
      if (claimed) killer.reach('commit: after it was decided, before it is applied')
      else killer.reach('start: after the ownership was committed')
      claimed = true
    },
  })
}

/** The state directory with a killer around it. */
export function killedDirectory(directory: StateDirectory, killer: Killer): StateDirectory {
  return around(directory, {
    async open(task: string) {
      const backend = await directory.open(task)
      killer.reach('start: after the local state was opened')
      return killedBackend(backend, killer)
    },
  })
}

function killedBackend(backend: StateBackend, killer: Killer): StateBackend {
  return around(backend, {
    async write(...args: Parameters<StateBackend['write']>) {
      // A restore writes under the number of no commit.
      const checkpoint = JSON.parse(args[1].toString()) as { commitId: number }
      if (checkpoint.commitId < 0) {
        await backend.write(...args)
        killer.reach('start: after a batch of the changelog was restored')
        return
      }
      killer.reach('flush: before the state is written to disk')
      if (killer.isNext('flush: while the state is being written to disk')) void backend.write(...args)
      killer.reach('flush: while the state is being written to disk')
      await backend.write(...args)
      killer.reach('flush: after the state was written to disk')
    },
  })
}

/** The same object with some methods replaced. */
function around<T extends object>(target: T, replaced: Partial<Record<keyof T, unknown>>): T {
  return new Proxy(target, {
    get(object, name) {
      const own = (replaced as Record<PropertyKey, unknown>)[name]
      if (own !== undefined) return own
      const member: unknown = Reflect.get(object, name)
      return typeof member === 'function' ? (member as (...args: unknown[]) => unknown).bind(object) : member
    },
  })
}
