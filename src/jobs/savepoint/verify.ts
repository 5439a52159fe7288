/** Checks the files of a savepoint against its manifest: that they are there, whole, and what they should be. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import path from 'node:path'
import { codeOf, FatalError, messageOf } from '../../errors.ts'
import { readContainerFile } from './container-file.ts'
import type { SavepointFile } from './manifest.ts'
import type { Savepoint } from './savepoint-folder.ts'

/** What was found of one file. */
export interface FileFinding {
  readonly file: SavepointFile
  /** What is wrong with it; undefined when nothing is. */
  readonly problem: string | undefined
}

/** Reads every file twice: for its hash, and for its records. System errors but a missing file pass through. */
export async function verifySavepoint(
  { folder, manifest }: Savepoint,
  onFile: (finding: FileFinding) => void = () => undefined,
): Promise<readonly FileFinding[]> {
  const findings: FileFinding[] = []
  for (const file of manifest.files) {
    const finding = { file, problem: await problemOf(folder, file) }
    findings.push(finding)
    onFile(finding)
  }
  return findings
}

/** `FatalError` `SAVEPOINT_DAMAGED` that names every damaged file. */
export async function refuseDamaged(savepoint: Savepoint): Promise<void> {
  const damaged = (await verifySavepoint(savepoint)).filter(({ problem }) => problem !== undefined)
  if (damaged.length === 0) return
  const lines = damaged.map(({ file, problem }) => `\n  - ${file.file}: ${problem}`)
  throw new FatalError(
    'SAVEPOINT_DAMAGED',
    `The savepoint ${savepoint.manifest.name} is damaged:${lines.join('')}`,
  )
}

async function problemOf(folder: string, file: SavepointFile): Promise<string | undefined> {
  try {
    const { bytes, sha256 } = await hashOf(path.join(folder, file.file))
    if (bytes !== file.bytes) return `it has ${bytes} bytes instead of ${file.bytes}`
    if (sha256 !== file.sha256) return `its SHA-256 is ${sha256} instead of ${file.sha256}`
  } catch (error) {
    if (codeOf(error, '') === 'ENOENT') return 'it is missing'
    throw error
  }
  return problemInside(folder, file)
}

/** What the hash cannot tell: that what was written is what was meant. */
async function problemInside(folder: string, file: SavepointFile): Promise<string | undefined> {
  let records = 0
  let last: Buffer | number | undefined
  try {
    for await (const record of readContainerFile(folder, file)) {
      records++
      const place = 'offset' in record ? record.offset : record.key
      if (last !== undefined && !isBefore(last, place)) return `its record ${records} is out of order`
      last = place
    }
  } catch (error) {
    return `it is no readable Avro container: ${messageOf(error)}`
  }
  return records === file.records ? undefined : `it has ${records} records instead of ${file.records}`
}

function isBefore(a: Buffer | number, b: Buffer | number): boolean {
  if (typeof a === 'number' || typeof b === 'number') return a < b
  return Buffer.compare(a, b) < 0
}

async function hashOf(file: string): Promise<{ readonly bytes: number; readonly sha256: string }> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    hash.update(chunk)
    bytes += chunk.length
  }
  return { bytes, sha256: hash.digest('hex') }
}
