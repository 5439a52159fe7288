/**
 * Damage to the files of a LevelDB state. Whatever byte is lost or changed: reading all of it either throws
 * `CorruptedStateError`, or gives exactly what was there after one of the writes, with the checkpoint of that write.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BackendWrite } from '../../src/state/backend.ts'
import { seal } from '../../src/state/envelope.ts'
import { LevelBackend } from '../../src/state/level-backend.ts'
import { SeededRandom } from '../../src/testing/seeded-random.ts'
import { compileSources, type CompiledSources } from '../support/compiled-sources.ts'
import { StateReader } from '../support/state-reader.ts'
import { digestOf, type Reading } from '../support/state-reader-child.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const SESSIONS = 3
const WRITES = 15
const FILE_KINDS = {
  table: /\.ldb$/,
  log: /\.log$/,
  manifest: /^MANIFEST-/,
  current: /^CURRENT$/,
} as const
type FileKind = keyof typeof FILE_KINDS

const root = temporaryFolder()
const original = path.join(root.path, 'original')
/** What the state was after each write, the empty one first: checkpoint and digest. */
const history: { readonly checkpoint: string | null; readonly digest: string }[] = []
let compiled: CompiledSources
let reader: StateReader
let copies = 0

/** Several sessions, so that the state lies in tables of several ages and in the write-ahead log. */
async function writeHistory(): Promise<void> {
  const random = new SeededRandom(7)
  const state = new Map<string, string>()
  history.push({ checkpoint: null, digest: digestOf(state) })
  for (let session = 0; session < SESSIONS; session++) {
    const backend = await LevelBackend.open(original, () => undefined)
    for (let count = 0; count < WRITES; count++) {
      const writes = Array.from({ length: 1 + random.int(40) }, () => randomWrite(random, history.length))
      for (const { key, value } of writes) {
        if (value === null) state.delete(key.toString('latin1'))
        else state.set(key.toString('latin1'), value.toString('latin1'))
      }
      const checkpoint = `commit ${history.length}`
      await backend.write(writes, Buffer.from(checkpoint))
      history.push({ checkpoint, digest: digestOf(state) })
    }
    await backend.close()
  }
}

function randomWrite(random: SeededRandom, commit: number): BackendWrite {
  const key = Buffer.from(`store\0k${random.int(300)}`)
  if (random.chance(0.2)) return { key, value: null }
  return { key, value: seal(key, commit, Buffer.from(random.bytes(random.int(400)))) }
}

/** A damaged copy of the state, read. */
async function damaged(kind: FileKind, pick: number, damage: (bytes: Buffer) => Buffer): Promise<Reading> {
  const folder = path.join(root.path, `copy-${copies++}`)
  mkdirSync(folder)
  cpSync(original, folder, { recursive: true })
  const files = readdirSync(folder)
    .filter((name) => FILE_KINDS[kind].test(name) && statSync(path.join(folder, name)).size > 0)
    .sort()
  const file = path.join(folder, files[pick % files.length]!)
  writeFileSync(file, damage(readFileSync(file)))
  return reader.read(folder)
}

/** What a reading amounts to; `wrong` is what must never be. */
function judged(reading: Reading): 'corrupted' | 'whole' | 'earlier' | `wrong: ${string}` {
  if (reading.kind === 'corrupted') return 'corrupted'
  if (reading.kind !== 'read') return `wrong: ${reading.kind}: ${reading.message}`
  const index = history.findIndex(({ checkpoint }) => checkpoint === reading.checkpoint)
  if (history[index]?.digest !== reading.digest) return `wrong: not the state of ${reading.checkpoint}`
  return index === history.length - 1 ? 'whole' : 'earlier'
}

const truncatedAt = (at: number) => (bytes: Buffer) => bytes.subarray(0, at % bytes.length)
const changedAt = (at: number, by: number) => (bytes: Buffer) => {
  bytes[at % bytes.length]! ^= by
  return bytes
}

beforeAll(async () => {
  await writeHistory()
  compiled = compileSources()
  reader = new StateReader(compiled.fileOf('test/support/state-reader-child'))
})
afterAll(() => {
  reader.close()
  compiled.remove()
})

describe('a LevelDB state', () => {
  it('is read whole where nothing is damaged', async () => {
    for (const kind of Object.keys(FILE_KINDS) as FileKind[])
      expect(judged(await damaged(kind, 0, (bytes) => bytes))).toBe('whole')
  })

  it('is never read wrong after 50 random damages', async () => {
    const outcomes: Record<string, number> = {}
    for (let seed = 1; seed <= 50; seed++) {
      const random = new SeededRandom(seed)
      const kind = random.pick(Object.keys(FILE_KINDS) as FileKind[])
      const pick = random.int(1_000)
      const at = random.int(1_000_000)
      const how = random.chance(0.5) ? truncatedAt(at) : changedAt(at, 1 + random.int(255))
      const outcome = judged(await damaged(kind, pick, how))
      expect(outcome, `seed ${seed}: ${kind}`).not.toMatch(/^wrong/)
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
    }
    // Otherwise the damage was none.
    expect(outcomes.corrupted).toBeGreaterThan(10)
    expect(outcomes.earlier).toBeGreaterThan(3)
  })
})

describe('a killed process', () => {
  it('leaves every acknowledged write, whole and with its checkpoint', async () => {
    const location = path.join(root.path, 'killed')
    for (const count of [5, 40, 200]) {
      rmSync(location, { recursive: true, force: true })
      const acknowledged = await reader.writeAndKill(location, count)
      const reading = await reader.read(location)
      if (reading.kind !== 'read') throw new Error(reading.message)
      const number = Number(reading.checkpoint)
      expect(number).toBeGreaterThanOrEqual(acknowledged)
      const expected = Array.from({ length: 10 }, (_, index) => {
        const key = Buffer.from(`store\0k${index}`)
        return [key.toString('latin1'), seal(key, number, String(number)).toString('latin1')] as const
      })
      expect(reading.digest).toBe(digestOf(expected))
    }
  })
})

describe('a lost end', () => {
  it('of the write-ahead log leaves the state of an earlier write', async () => {
    const outcomes = new Set<string>()
    for (const at of [0, 1, 7, 1_000, 20_000, 30_000, 40_000])
      outcomes.add(judged(await damaged('log', 0, truncatedAt(at))))
    expect([...outcomes]).toEqual(['earlier'])
  })

  it.each(['table', 'manifest', 'current'] as const)('of a %s is found when it is opened', async (kind) => {
    for (const at of [0, 5, 10]) expect(judged(await damaged(kind, 0, truncatedAt(at)))).toBe('corrupted')
  })
})

describe('a changed byte', () => {
  it('in the middle of the write-ahead log is found: what comes behind it would lie over a hole', async () => {
    expect(judged(await damaged('log', 0, changedAt(100, 0x10)))).toBe('corrupted')
  })

  it('in the last block of the write-ahead log leaves the state of an earlier write', async () => {
    const lastByte = (bytes: Buffer): Buffer => changedAt(bytes.length - 1, 0x10)(bytes)
    expect(judged(await damaged('log', 0, lastByte))).toBe('earlier')
  })

  it.each(['manifest', 'current'] as const)('in the %s is found, wherever it is', async (kind) => {
    for (let at = 0; at < 16; at++)
      expect(judged(await damaged(kind, 0, changedAt(at, 0x20))), `byte ${at}`).toBe('corrupted')
  })

  it('in the value of an entry is found', async () => {
    const inValue = (bytes: Buffer): Buffer => changedAt(Math.floor(bytes.length / 2), 0x01)(bytes)
    expect(judged(await damaged('table', 1, inValue))).toMatch(/^(corrupted|whole)$/)
  })

  it('that makes stored entries deleted ones is found', async () => {
    // Behind the key LevelDB keeps the kind of the entry (1: stored, 0: deleted) and a number of 7 bytes.
    const hidden = (bytes: Buffer): Buffer => {
      const entries = [...bytes.toString('latin1').matchAll(/k\d{1,3}\x01[\s\S]{2}\0{5}/g)]
      expect(entries.length).toBeGreaterThan(5)
      for (const { index, 0: found } of entries) bytes[index + found.length - 8] = 0
      return bytes
    }
    expect(judged(await damaged('table', 1, hidden))).toBe('corrupted')
  })

  it('that cuts a key shorter than LevelDB expects is found, and does not end the process', async () => {
    const shortened = (bytes: Buffer): Buffer => {
      const key = bytes.indexOf('\0checkpoint')
      // In front of the first key of a table: bytes shared with the key before, bytes of its own, bytes of the value.
      bytes[key - 2] = 2
      return bytes
    }
    expect(judged(await damaged('table', 1, shortened))).toBe('corrupted')
  })
})
