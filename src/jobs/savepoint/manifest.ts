/**
 * The manifest of a savepoint: everything but the contents of stores and repartition topics, which lie in the files it
 * names. It is written last, so a folder without one is no savepoint.
 */
import { createHash } from 'node:crypto'
import { FatalError, messageOf } from '../../errors.ts'
import type { BoundedRun } from '../../runtime/bounded-run.ts'
import { encodeEntry, parseEncoded, type CommitEntry } from '../../runtime/commit-entry.ts'
import type { Fingerprint } from '../../topology/fingerprint.ts'

/** Name of the manifest in the folder of its savepoint. */
export const MANIFEST_FILE = 'manifest.json'

/** The newest format that this version reads, and the one it writes. */
export const FORMAT_VERSION = 1

const FORMAT = 'millrace-savepoint'

/** An Avro container file of a savepoint. */
export interface SavepointFile {
  /** A plain name in the savepoint's folder. */
  readonly file: string
  readonly kind: 'store' | 'held'
  /** The task it belongs to. */
  readonly task: string
  /** The store, or the repartition node. */
  readonly name: string
  readonly records: number
  readonly bytes: number
  readonly sha256: string
}

/** Where a task stood. */
export interface SavepointTask {
  readonly task: string
  readonly entry: CommitEntry
}

/** An input partition of a task. */
export interface SavepointInput {
  readonly task: string
  /** Of a source; a repartition topic has the name of its node. */
  readonly topic: string
  readonly isRepartition: boolean
  readonly partition: number
  /** Tells a topic from a later one of the same name. */
  readonly topicId: string
  /** Next offset to work. */
  readonly offset: string
  /** The lowest of the channels that come through it. */
  readonly watermarkMs: number
}

export interface Manifest {
  readonly format: typeof FORMAT
  readonly formatVersion: number
  readonly application: string
  readonly name: string
  readonly incarnation: number
  /** ISO-8601, UTC, by the wall clock of who took it. */
  readonly createdAt: string
  readonly fingerprint: Fingerprint
  readonly inputs: readonly SavepointInput[]
  /** The bounded run under way or done last; null where there was none. */
  readonly run: BoundedRun | null
  readonly tasks: readonly SavepointTask[]
  readonly files: readonly SavepointFile[]
}

/** A manifest as it was read. */
export interface ReadManifest {
  readonly manifest: Manifest
  /** SHA-256 of its contents: names this savepoint and no other. */
  readonly sha256: string
}

/** What `format` and its version say of themselves; the manifest's text ends with its own SHA-256. */
export function encodeManifest(manifest: Omit<Manifest, 'format' | 'formatVersion'>): ReadManifest & {
  readonly text: string
} {
  const complete: Manifest = { format: FORMAT, formatVersion: FORMAT_VERSION, ...manifest }
  const plain = JSON.parse(encodeEntry(complete)) as object
  const sha256 = digestOf(plain)
  return { manifest: complete, sha256, text: `${JSON.stringify({ ...plain, sha256 }, null, 2)}\n` }
}

/**
 * Reads what `encodeManifest` wrote. `FatalError`: `SAVEPOINT_DAMAGED` when it does not fit its own SHA-256 or is no
 * manifest, `SAVEPOINT_FORMAT` when it has a format that this version does not read.
 */
export function decodeManifest(text: string, where: string): ReadManifest {
  let plain: Record<string, unknown>
  try {
    plain = JSON.parse(text) as Record<string, unknown>
  } catch (error) {
    throw damaged(where, messageOf(error))
  }
  if (typeof plain !== 'object' || plain === null || plain['format'] !== FORMAT) {
    throw damaged(where, 'it is no manifest of a savepoint')
  }
  const { formatVersion } = plain
  if (formatVersion !== FORMAT_VERSION) {
    throw new FatalError(
      'SAVEPOINT_FORMAT',
      `${where} has format version ${JSON.stringify(formatVersion)}; this version of millrace reads ${FORMAT_VERSION}.`,
    )
  }
  const { sha256, ...rest } = plain
  if (sha256 !== digestOf(rest)) throw damaged(where, 'it does not fit its SHA-256')
  const manifest = parseEncoded(JSON.stringify(rest)) as Manifest
  const strange = manifest.files.find(
    ({ file }) => !/^(store|held)-\d+_\d+-[A-Za-z0-9._-]+\.avro$/.test(file),
  )
  if (strange !== undefined) throw damaged(where, `it names the file ${JSON.stringify(strange.file)}`)
  return { manifest, sha256 }
}

/** What the savepoint tells of the windows: the facts of its fingerprint that are about them. */
export function windowFacts({ fingerprint }: Manifest): readonly (readonly [string, string])[] {
  return Object.entries(fingerprint).filter(([name]) => name.startsWith('window of '))
}

function digestOf(plain: object): string {
  return createHash('sha256').update(JSON.stringify(plain)).digest('hex')
}

function damaged(where: string, why: string): FatalError {
  return new FatalError('SAVEPOINT_DAMAGED', `${where} is damaged: ${why}.`)
}
