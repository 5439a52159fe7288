/**
 * A process that reads the state in a folder, whole and checking every entry, or writes there without end, as its
 * parent says: the program of `state-reader.ts`. A process of its own, since damage can make LevelDB's native code end
 * it, and since it is to be killed while it writes.
 */
import { createHash } from 'node:crypto'
import { codeOf, CorruptedStateError, messageOf } from '../../src/errors.ts'
import { seal, unseal } from '../../src/state/envelope.ts'
import { LevelBackend } from '../../src/state/level-backend.ts'

/** What became of reading. */
export type Reading =
  | { readonly kind: 'read'; readonly checkpoint: string | null; readonly digest: string }
  /** `CorruptedStateError`, as it should be. */
  | { readonly kind: 'corrupted'; readonly message: string }
  /** Any other error. */
  | { readonly kind: 'failed'; readonly message: string }
  /** The process ended. */
  | { readonly kind: 'died'; readonly message: string }

/** One text for the whole content of a store: equal contents, equal texts. */
export function digestOf(entries: Iterable<readonly [key: string, value: string]>): string {
  const hash = createHash('sha256')
  for (const [key, value] of [...entries].sort(([a], [b]) => (a < b ? -1 : 1)))
    hash.update(`${key.length}:${key}${value.length}:${value}`)
  return hash.digest('hex')
}

async function read(location: string): Promise<Reading> {
  let backend: LevelBackend | undefined
  try {
    backend = await LevelBackend.open(location, () => undefined)
    const entries: [string, string][] = []
    for await (const page of backend.scan()) {
      for (const [key, sealed] of page) {
        unseal(key, sealed)
        entries.push([key.toString('latin1'), sealed.toString('latin1')])
      }
    }
    const checkpoint = backend.checkpoint()?.toString('latin1') ?? null
    return { kind: 'read', checkpoint, digest: digestOf(entries) }
  } catch (error) {
    const message = `${codeOf(error, 'no code')}: ${messageOf(error)}`
    return { kind: error instanceof CorruptedStateError ? 'corrupted' : 'failed', message }
  } finally {
    await backend?.close().catch(() => undefined)
  }
}

/** Write number n puts n under each of ten keys, with checkpoint n. Tells each number when it is acknowledged. */
async function writeWithoutEnd(location: string): Promise<never> {
  const backend = await LevelBackend.open(location, () => undefined)
  for (let number = 1; ; number++) {
    const writes = Array.from({ length: 10 }, (_, index) => {
      const key = Buffer.from(`store\0k${index}`)
      return { key, value: seal(key, number, String(number)) }
    })
    await backend.write(writes, Buffer.from(String(number)))
    process.send!({ kind: 'written', number } satisfies Progress)
  }
}

/** What a writing process tells. */
export interface Progress {
  readonly kind: 'written'
  readonly number: number
}

/** What a parent asks for. */
export interface Order {
  readonly kind: 'read' | 'write'
  readonly location: string
}

if (process.send !== undefined && process.argv[2] === 'state-reader') {
  process.on('message', ({ kind, location }: Order) => {
    if (kind === 'write') void writeWithoutEnd(location)
    else void read(location).then((reading) => process.send!(reading))
  })
}
