/**
 * The state of one task in a LevelDB.
 *
 * Keys of stores begin with the store's name and a zero byte, so nothing of theirs begins with one; the backend's own
 * entries do: the checkpoint, and the ledger. LevelDB drops a damaged part of its write-ahead log silently and goes on
 * with what comes behind it, which would leave a hole: a newer checkpoint over lost writes. So every write also puts a
 * numbered ledger entry, and opening checks that the numbers have no gap up to the one the checkpoint names.
 */
import { Level } from 'level'
import { codeOf, CorruptedStateError, messageOf } from '../errors.ts'
import type { BackendWrite, StateBackend } from './backend.ts'
import { seal, unseal } from './envelope.ts'
import { damageInTables } from './level-tables.ts'

type Database = Level<Buffer, Buffer>

/** What LevelDB offers beyond the interface that `level` shares with the browser. */
interface SizedDatabase {
  approximateSize(start: Buffer, end: Buffer): Promise<number>
}

const CHECKPOINT_KEY = Buffer.from('\0checkpoint')
const LEDGER_PREFIX = Buffer.from('\0ledger\0')
const LEDGER_END = Buffer.from('\0ledger\x01')
const FIRST_STORE_KEY = Buffer.from('\x01')
const PAGE_ENTRIES = 1000
const MIB = 1024 * 1024

export class LevelBackend implements StateBackend {
  private readonly database: Database
  private readonly onClosed: () => void
  private stored: Buffer | undefined
  /** Number of the last write. */
  private sequence: bigint
  private closing: Promise<void> | undefined

  private constructor(
    database: Database,
    onClosed: () => void,
    stored: Buffer | undefined,
    sequence: bigint,
  ) {
    this.database = database
    this.onClosed = onClosed
    this.stored = stored
    this.sequence = sequence
  }

  /**
   * Opens or makes the database. `CorruptedStateError` `STATE_DAMAGED` when it cannot be trusted; then it is closed.
   */
  static async open(location: string, onClosed: () => void): Promise<LevelBackend> {
    // Before LevelDB sees them: what it opens, it also reads.
    const damage = await damageInTables(location)
    if (damage !== undefined) throw damaged(location, damage)
    const database: Database = new Level(location, {
      keyEncoding: 'buffer',
      valueEncoding: 'buffer',
      // Table files are mapped into memory: few open ones keep the resident size small. What is read often is held by
      // the stores, so LevelDB needs little memory of its own; there is one for each task.
      maxOpenFiles: 64,
      writeBufferSize: MIB,
      cacheSize: MIB,
      // So that the tables can be checked.
      compression: false,
    })
    try {
      await database.open()
    } catch (error) {
      throw asDamage(location, error)
    }
    try {
      const { stored, sequence } = await readOwnEntries(database)
      return new LevelBackend(database, onClosed, stored, sequence)
    } catch (error) {
      await database.close()
      throw asDamage(location, error)
    }
  }

  getSync(key: Buffer): Buffer | undefined {
    try {
      return this.database.getSync(key)
    } catch (error) {
      throw asDamage(this.database.location, error)
    }
  }

  async write(writes: readonly BackendWrite[], checkpoint: Buffer): Promise<void> {
    this.sequence++
    const ledgerKey = Buffer.concat([LEDGER_PREFIX, bigEndian(this.sequence)])
    const operations = writes.map(({ key, value }) =>
      value === null ? ({ type: 'del', key } as const) : ({ type: 'put', key, value } as const),
    )
    const own = Buffer.concat([bigEndian(this.sequence), checkpoint])
    try {
      await this.database.batch([
        ...operations,
        { type: 'put', key: ledgerKey, value: Buffer.alloc(0) },
        { type: 'put', key: CHECKPOINT_KEY, value: seal(CHECKPOINT_KEY, 0, own) },
      ])
    } catch (error) {
      throw asDamage(this.database.location, error)
    }
    this.stored = checkpoint
  }

  checkpoint(): Buffer | undefined {
    return this.stored
  }

  async *scan(from?: Buffer, to?: Buffer): AsyncIterable<readonly (readonly [Buffer, Buffer])[]> {
    const range = { gte: from ?? FIRST_STORE_KEY, ...(to !== undefined && { lt: to }) }
    const iterator = this.database.iterator(range)
    try {
      for (;;) {
        const page = await iterator.nextv(PAGE_ENTRIES)
        if (page.length === 0) return
        yield page
      }
    } catch (error) {
      throw asDamage(this.database.location, error)
    } finally {
      await iterator.close()
    }
  }

  approximateBytes(): Promise<number> {
    const sized = this.database as unknown as SizedDatabase
    return sized.approximateSize(FIRST_STORE_KEY, Buffer.from([0xff]))
  }

  close(): Promise<void> {
    this.closing ??= this.database.close().finally(this.onClosed)
    return this.closing
  }
}

/** Reads the checkpoint, checks the ledger against it and begins a new ledger. */
async function readOwnEntries(database: Database): Promise<{ stored: Buffer | undefined; sequence: bigint }> {
  const sealed = await database.get(CHECKPOINT_KEY)
  const ledger = await database.keys({ gte: LEDGER_PREFIX, lt: LEDGER_END }).all()
  const numbers = ledger.map((key) => key.readBigUInt64BE(LEDGER_PREFIX.length))
  if (sealed === undefined) {
    const first = await database.keys({ gte: FIRST_STORE_KEY, limit: 1 }).all()
    if (first.length > 0 || numbers.length > 0)
      throw damaged(database.location, 'entries without a checkpoint')
    return { stored: undefined, sequence: 0n }
  }
  const { buffer, start } = unseal(CHECKPOINT_KEY, sealed)
  const sequence = buffer.readBigUInt64BE(start)
  numbers.forEach((number, index) => {
    const expected = sequence - BigInt(numbers.length - 1 - index)
    if (number !== expected) throw damaged(database.location, `write ${expected} is missing`)
  })
  if (numbers.length === 0) throw damaged(database.location, `write ${sequence} is missing`)
  await database.batch(ledger.slice(0, -1).map((key) => ({ type: 'del', key })))
  return { stored: buffer.subarray(start + 8), sequence }
}

/**
 * An error of LevelDB as what it means: damage, where LevelDB says so, where a file is missing that another one names,
 * or where one is shorter than another one says. What the system refused (no rights, no room) stays what it is.
 */
function asDamage(location: string, error: unknown): Error {
  if (error instanceof CorruptedStateError) return error
  const cause = (error as { cause?: unknown }).cause ?? error
  const isDamage =
    codeOf(cause, '') === 'LEVEL_CORRUPTION' ||
    cause instanceof RangeError ||
    /^IO error: .*: (No such file or directory|Invalid argument)$/s.test(messageOf(cause))
  return isDamage ? damaged(location, cause) : (cause as Error)
}

function damaged(location: string, cause: unknown): CorruptedStateError {
  return new CorruptedStateError(
    'STATE_DAMAGED',
    `the state in ${location} is damaged: ${messageOf(cause)}`,
    { cause },
  )
}

function bigEndian(value: bigint): Buffer {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeBigUInt64BE(value)
  return bytes
}
