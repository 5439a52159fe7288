/** The Avro container files of a savepoint: their schemas, writing with a hash on the way, reading. */
import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import path from 'node:path'
import { decodeContainer, encodeContainer } from '../../serde/avro-container.ts'
import type { SavepointFile } from './manifest.ts'

/** An entry of a store: key and value as the changelog has them. In the order of the keys' bytes. */
export interface StoredEntry {
  readonly key: Buffer
  readonly value: Buffer
  /** Event time of the record that wrote it, epoch milliseconds. */
  readonly timestamp: number
}

/** A record of a repartition topic that its receiver had not consumed. In the order of the offsets. */
export interface HeldRecord {
  /** In the topic it was read from. */
  readonly offset: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly timestamp: number
  readonly headers: readonly { readonly key: string; readonly value: Buffer | null }[]
}

interface RecordOf {
  readonly store: StoredEntry
  readonly held: HeldRecord
}

const NULLABLE_BYTES = ['null', 'bytes']
const TIMESTAMP = { type: 'long', logicalType: 'timestamp-millis' }

const SCHEMAS: Readonly<Record<SavepointFile['kind'], string>> = {
  store: JSON.stringify({
    type: 'record',
    name: 'StoreEntry',
    namespace: 'millrace.savepoint',
    fields: [
      { name: 'key', type: 'bytes' },
      { name: 'value', type: 'bytes' },
      { name: 'timestamp', type: TIMESTAMP },
    ],
  }),
  held: JSON.stringify({
    type: 'record',
    name: 'HeldRecord',
    namespace: 'millrace.savepoint',
    fields: [
      { name: 'offset', type: 'long' },
      { name: 'key', type: NULLABLE_BYTES },
      { name: 'value', type: NULLABLE_BYTES },
      { name: 'timestamp', type: TIMESTAMP },
      {
        name: 'headers',
        type: {
          type: 'array',
          items: {
            type: 'record',
            name: 'Header',
            fields: [
              { name: 'key', type: 'string' },
              { name: 'value', type: NULLABLE_BYTES },
            ],
          },
        },
      },
    ],
  }),
}

/** What the manifest says of a file before it is written. */
export type FileToWrite<K extends SavepointFile['kind']> = Pick<SavepointFile, 'file' | 'task' | 'name'> & {
  readonly kind: K
}

/** Writes a new file and has it on the disk when it resolves. System errors pass through. */
export async function writeContainerFile<K extends SavepointFile['kind']>(
  folder: string,
  { file, kind, task, name }: FileToWrite<K>,
  records: AsyncIterable<RecordOf[K]>,
): Promise<SavepointFile> {
  const handle = await open(path.join(folder, file), 'wx')
  const hash = createHash('sha256')
  let bytes = 0
  let count = 0
  async function* countedRecords(): AsyncIterable<RecordOf[K]> {
    for await (const record of records) {
      count++
      yield record
    }
  }
  try {
    for await (const chunk of encodeContainer(SCHEMAS[kind], countedRecords())) {
      hash.update(chunk)
      bytes += chunk.length
      await handle.writeFile(chunk)
    }
    await handle.sync()
  } finally {
    await handle.close()
  }
  return { file, kind, task, name, records: count, bytes, sha256: hash.digest('hex') }
}

/** What reading a file came to; filled in while it is read. */
export interface FileCheck {
  records: number
  bytes: number
  /** Once the file has been read to its end. */
  sha256: string
}

/** The records of a file. System errors pass through; what is no container rejects with the error of avsc. */
export async function* readContainerFile<K extends SavepointFile['kind']>(
  folder: string,
  { file, kind }: { readonly file: string; readonly kind: K },
  check: FileCheck = newCheck(),
): AsyncIterable<RecordOf[K]> {
  const hash = createHash('sha256')
  const chunks = hashedChunks(path.join(folder, file), hash, check)
  for await (const record of decodeContainer<RecordOf[K]>(SCHEMAS[kind], chunks)) {
    check.records++
    yield record
  }
}

/** A check before anything was read. */
export function newCheck(): FileCheck {
  return { records: 0, bytes: 0, sha256: '' }
}

async function* hashedChunks(file: string, hash: Hash, check: FileCheck): AsyncIterable<Buffer> {
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    hash.update(chunk)
    check.bytes += chunk.length
    yield chunk
  }
  check.sha256 = hash.digest('hex')
}
