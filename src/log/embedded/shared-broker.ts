/**
 * One directory, any number of processes: the first to come owns the log and serves the others through a local
 * socket; when it goes, the others race to own it, and the losers connect to the winner.
 *
 * ```
 *              lock taken                             close
 *   electing ─────────────> owning ───────────────────────────> closed
 *    │  ^  │                                                      ^
 *    │  │  │ somebody else has it, and answers                     │
 *    │  │  └─────────────────────────────> connected ──────────────┤
 *    │  └──── the connection ended ────────────┘                   │
 *    │ cannot be opened at all                                     │
 *    └──────────────────────────────────────────> failed ─────────┘
 * ```
 */
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { assert } from '../../assert.ts'
import { sleep, type Clock, type Random } from '../../clock.ts'
import { acquireDirectoryLock, lockOwnerPid, type DirectoryLock } from '../../directory-lock.ts'
import { codeOf, FatalError, RetriableError } from '../../errors.ts'
import { callMethod, connectionThrough, type BrokerConnection } from './broker-connection.ts'
import { EmbeddedBroker } from './broker.ts'
import type { CleaningOptions } from './cleaner.ts'
import { levelError, openLevelEngine } from './level-engine.ts'
import { connectBroker } from './socket-connection.ts'
import { serveBroker, type SocketServer } from './socket-server.ts'

/** A state of the drawing above. */
export type SharedBrokerState = 'electing' | 'owning' | 'connected' | 'failed' | 'closed'

/** The drawing as a table: which states may follow. */
export const SHARED_BROKER_TRANSITIONS = {
  electing: ['owning', 'connected', 'failed', 'closed'],
  owning: ['closed'],
  connected: ['electing', 'closed'],
  failed: ['closed'],
  closed: [],
} as const satisfies Record<SharedBrokerState, readonly SharedBrokerState[]>

/** `to`, when the table allows it; a program error else. */
export function transitionSharedBroker(from: SharedBrokerState, to: SharedBrokerState): SharedBrokerState {
  const allowed: readonly SharedBrokerState[] = SHARED_BROKER_TRANSITIONS[from]
  assert(allowed.includes(to), `a shared broker goes from ${from} to ${allowed.join(' or ')}, not to ${to}`)
  return to
}

/** Where the log is, and what its broker is given if this process comes to own it. */
export interface SharedBrokerOptions {
  /** Made where it is missing. */
  readonly directory: string
  readonly clock: Clock
  readonly random: Random
  readonly cleaning?: CleaningOptions
}

/** How long an owner may be neither reachable nor dead before that is an error. */
const PATIENCE_MS = 30_000
const BACKOFF_MS = 25
/** Longer socket paths are cut off by the system, silently on some. */
const SOCKET_PATH_BYTES = 100
const ADDRESS_FILE = 'log.address'

/** One process's share in the log of a directory. */
export class SharedBroker {
  /** Goes to the owner, wherever it is; calls in flight when it goes fail as retriable. */
  readonly connection: BrokerConnection
  state: SharedBrokerState = 'electing'

  private readonly options: SharedBrokerOptions
  private readonly closing = new AbortController()
  private target: Promise<BrokerConnection>
  private release: () => Promise<void> = () => Promise.resolve()

  constructor(options: SharedBrokerOptions) {
    this.options = options
    this.target = this.elect()
    this.target.catch(() => undefined)
    this.connection = connectionThrough(async (method, args) => callMethod(await this.target, method, args))
  }

  /** Resolves when the broker can be used; fails as the opening of a log may fail. */
  async ready(): Promise<void> {
    await this.target
  }

  async close(): Promise<void> {
    if (this.state === 'closed') return
    this.closing.abort()
    await this.target.catch(() => undefined)
    if ((this.state as SharedBrokerState) === 'closed') return
    this.state = transitionSharedBroker(this.state, 'closed')
    this.target = Promise.reject(closed())
    this.target.catch(() => undefined)
    await this.release()
  }

  private async elect(): Promise<BrokerConnection> {
    try {
      return await this.ownOrConnect()
    } catch (error) {
      if (this.state === 'electing') this.state = transitionSharedBroker(this.state, 'failed')
      throw error
    }
  }

  private async ownOrConnect(): Promise<BrokerConnection> {
    const { clock, directory, random } = this.options
    const untilMs = clock.monotonic() + PATIENCE_MS
    while (!this.closing.signal.aborted) {
      const lock = await this.takeLock()
      const broker = (lock === undefined ? null : await this.own(lock)) ?? (await this.connect())
      if (broker !== null) return broker
      if (clock.monotonic() >= untilMs) {
        const pid = (await lockOwnerPid(directory)) ?? 'unknown'
        const message = `The log in ${directory} is held by process ${pid}, which does not answer.`
        throw new FatalError('LOG_OWNER_UNREACHABLE', message)
      }
      // Several that lost the same owner do not come back in step.
      await sleep(clock, BACKOFF_MS * (1 + random.fraction()), this.closing.signal)
    }
    throw closed()
  }

  private async takeLock(): Promise<DirectoryLock | undefined> {
    const { directory } = this.options
    try {
      return await acquireDirectoryLock(directory)
    } catch (error) {
      const what: Record<string, string> = {
        EACCES: 'may not be written by this user',
        EPERM: 'may not be written by this user',
        EROFS: 'is on a file system that cannot be written',
        ENOTDIR: 'is not a directory',
        EEXIST: 'is not a directory',
      }
      const reason = what[codeOf(error, '')]
      if (reason === undefined) throw levelError(error, directory)
      throw new FatalError('LOG_DIRECTORY_UNUSABLE', `${directory} ${reason}.`, { cause: error })
    }
  }

  /** Null when LevelDB is held by somebody whose lock file is gone: LevelDB's own lock has the last word. */
  private async own(lock: DirectoryLock): Promise<BrokerConnection | null> {
    const { clock, random, cleaning } = this.options
    const address = addressIn(lock.directory, random)
    let broker: EmbeddedBroker | null = null
    let server: SocketServer | null = null
    let published = false
    const release = async (): Promise<void> => {
      await server?.close()
      await broker?.close()
      if (published) await rm(path.join(lock.directory, ADDRESS_FILE), { force: true })
      await lock.release()
    }
    try {
      const engine = await openLevelEngine(path.join(lock.directory, 'data'))
      broker = await EmbeddedBroker.open(engine, {
        clock,
        random,
        ...(cleaning === undefined ? {} : { cleaning }),
      })
      server = await serveBroker(broker, address)
      published = true
      await publish(lock.directory, address)
    } catch (error) {
      await release()
      if (codeOf(error, '') === 'LOG_LOCKED') return null
      throw error
    }
    this.release = release
    this.state = transitionSharedBroker(this.state, 'owning')
    return broker
  }

  /** Null when the owner does not answer (yet, or any more). */
  private async connect(): Promise<BrokerConnection | null> {
    const address = await readAddress(this.options.directory)
    if (address === null) return null
    try {
      const connection = await connectBroker(address, this.options.clock)
      this.release = async () => connection.close()
      this.state = transitionSharedBroker(this.state, 'connected')
      void connection.ended.then(() => this.electAgain())
      return connection.broker
    } catch (error) {
      if (error instanceof RetriableError) return null
      throw error
    }
  }

  private electAgain(): void {
    if (this.state !== 'connected') return
    this.state = transitionSharedBroker(this.state, 'electing')
    this.target = this.elect()
    this.target.catch(() => undefined)
  }
}

function closed(): FatalError {
  return new FatalError('LOG_CLOSED', 'The log is closed.')
}

/** In the directory where the path is short enough; else among temporary files, under a name nobody can foresee. */
function addressIn(directory: string, random: Random): string {
  if (process.platform === 'win32') return `\\\\.\\pipe\\millrace-${random.uuid()}`
  const inside = path.join(directory, 'log.sock')
  if (Buffer.byteLength(inside) <= SOCKET_PATH_BYTES) return inside
  return path.join(tmpdir(), `millrace-${random.uuid()}.sock`)
}

async function publish(directory: string, address: string): Promise<void> {
  const file = path.join(directory, ADDRESS_FILE)
  await writeFile(`${file}.new`, JSON.stringify({ address }))
  await rename(`${file}.new`, file)
}

async function readAddress(directory: string): Promise<string | null> {
  try {
    const { address } = JSON.parse(await readFile(path.join(directory, ADDRESS_FILE), 'utf8')) as {
      address?: unknown
    }
    return typeof address === 'string' ? address : null
  } catch {
    // No owner, or one that is just beginning.
    return null
  }
}
