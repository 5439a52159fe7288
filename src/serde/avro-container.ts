/**
 * Avro object container files, as streams of chunks: the schema at the front, then blocks of records, compressed with
 * deflate. Any Avro tool reads them.
 */
import { createHash } from 'node:crypto'
import { pipeline, Readable } from 'node:stream'
import avro from 'avsc'
import { exactTypes } from './avro-types.ts'

/** Bytes of a block before compression. */
const BLOCK_BYTES = 64 * 1024
const SYNC_BYTES = 16

/**
 * The bytes of a container with these records. Equal records under an equal schema give equal bytes: the marker between
 * the blocks, which is usually drawn by chance, comes from the schema. Rejects with the error of avsc where a record
 * does not fit, and with whatever `records` throws.
 */
export function encodeContainer<T>(schema: string, records: AsyncIterable<T>): AsyncIterable<Buffer> {
  const type = avro.Type.forSchema(JSON.parse(schema) as avro.Schema, { typeHook: exactTypes })
  const encoder = new avro.streams.BlockEncoder(type as unknown as avro.Schema, {
    codec: 'deflate',
    blockSize: BLOCK_BYTES,
    // Eagerly, so that a container without records is one too.
    writeHeader: true,
    syncMarker: createHash('sha256').update(schema).digest().subarray(0, SYNC_BYTES),
  })
  // Whatever fails is told by reading the last stream.
  pipeline(Readable.from(records), encoder, () => undefined)
  return encoder
}

/**
 * The records of a container, whatever schema it was written with, as far as `schema` can read it. A container that is
 * cut off between two blocks simply ends: compare the count. Rejects with the error of avsc for anything else.
 */
export function decodeContainer<T>(schema: string, chunks: AsyncIterable<Buffer>): AsyncIterable<T> {
  const decoder = new avro.streams.BlockDecoder({
    readerSchema: JSON.parse(schema) as avro.Schema,
  })
  pipeline(Readable.from(chunks), decoder, () => undefined)
  return decoder
}
