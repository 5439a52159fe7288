/**
 * A plain record-batch encoder and decoder, slow and written from the format's description only: the oracle that the
 * codec's tests compare with, and the maker of batches no producer of ours would write.
 */

export interface ReferenceRecord {
  readonly offsetDelta?: number
  readonly timestampMs?: number
  readonly key?: string | Buffer | null
  readonly value?: string | Buffer | null
  readonly headers?: readonly (readonly [string, string | null])[]
}

export interface ReferenceBatch {
  readonly baseOffset?: number
  readonly records: readonly ReferenceRecord[]
  readonly lastOffsetDelta?: number
  readonly producerId?: number
  readonly epoch?: number
  readonly baseSequence?: number
  readonly transactional?: boolean
  readonly control?: boolean
  readonly logAppendTime?: boolean
  readonly compression?: number
  readonly magic?: number
  readonly maxTimestampMs?: number
}

/** Bit by bit, straight from the definition. */
export function slowCrc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return (crc ^ 0xffffffff) >>> 0
}

function zigzag(value: number): number[] {
  let rest = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n))
  const bytes: number[] = []
  do {
    const low = Number(rest & 0x7fn)
    rest >>= 7n
    bytes.push(rest > 0n ? low | 0x80 : low)
  } while (rest > 0n)
  return bytes
}

function sized(bytes: string | Buffer | null): Buffer {
  if (bytes === null) return Buffer.from(zigzag(-1))
  const content = Buffer.from(bytes)
  return Buffer.concat([Buffer.from(zigzag(content.length)), content])
}

function encodeRecord(record: ReferenceRecord, index: number, baseTimestampMs: number): Buffer {
  const headers = record.headers ?? []
  const body = Buffer.concat([
    Buffer.from([0]),
    Buffer.from(zigzag((record.timestampMs ?? baseTimestampMs) - baseTimestampMs)),
    Buffer.from(zigzag(record.offsetDelta ?? index)),
    sized(record.key ?? null),
    sized(record.value === undefined ? null : record.value),
    Buffer.from(zigzag(headers.length)),
    ...headers.map(([key, value]) => Buffer.concat([sized(key), sized(value)])),
  ])
  return Buffer.concat([Buffer.from(zigzag(body.length)), body])
}

export function encodeBatch(batch: ReferenceBatch): Buffer {
  const timestamps = batch.records.map((record) => record.timestampMs ?? 0)
  const baseTimestampMs = timestamps[0] ?? 0
  const records = Buffer.concat(
    batch.records.map((record, index) => encodeRecord(record, index, baseTimestampMs)),
  )
  const head = Buffer.alloc(61)
  head.writeBigInt64BE(BigInt(batch.baseOffset ?? 0), 0)
  head.writeInt32BE(61 - 12 + records.length, 8)
  head.writeInt32BE(-1, 12)
  head.writeInt8(batch.magic ?? 2, 16)
  const flags =
    (batch.compression ?? 0) |
    (batch.logAppendTime ? 8 : 0) |
    (batch.transactional ? 16 : 0) |
    (batch.control ? 32 : 0)
  head.writeInt16BE(flags, 21)
  const lastDelta = batch.records.at(-1)?.offsetDelta ?? batch.records.length - 1
  head.writeInt32BE(batch.lastOffsetDelta ?? lastDelta, 23)
  head.writeBigInt64BE(BigInt(baseTimestampMs), 27)
  head.writeBigInt64BE(BigInt(batch.maxTimestampMs ?? Math.max(baseTimestampMs, ...timestamps)), 35)
  head.writeBigInt64BE(BigInt(batch.producerId ?? -1), 43)
  head.writeInt16BE(batch.epoch ?? -1, 51)
  head.writeInt32BE(batch.baseSequence ?? -1, 53)
  head.writeInt32BE(batch.records.length, 57)
  const whole = Buffer.concat([head, records])
  whole.writeUInt32BE(slowCrc32c(whole.subarray(21)), 17)
  return whole
}

/** The control batch that ends a transaction. */
export function encodeMarker(offset: number, producerId: number, type: 'abort' | 'commit'): Buffer {
  return encodeBatch({
    baseOffset: offset,
    records: [{ key: Buffer.from([0, 0, 0, type === 'abort' ? 0 : 1]), value: Buffer.alloc(6) }],
    producerId,
    epoch: 0,
    transactional: true,
    control: true,
  })
}

export interface DecodedRecord {
  readonly offset: number
  readonly timestampMs: number
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly (readonly [string, string | null])[]
}

/** The records of one whole batch, whatever kind it is. */
export function decodeBatch(batch: Buffer): DecodedRecord[] {
  let at = 61
  const number = (): number => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = batch.readUInt8(at++)
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return Number((value >> 1n) ^ -(value & 1n))
    }
  }
  const text = (): string | null => {
    const length = number()
    if (length < 0) return null
    at += length
    return batch.toString('utf8', at - length, at)
  }
  const base = Number(batch.readBigInt64BE(0))
  const baseTimestampMs = Number(batch.readBigInt64BE(27))
  const records: DecodedRecord[] = []
  for (let left = batch.readInt32BE(57); left > 0; left -= 1) {
    const length = number()
    const end = at + length
    at += 1
    const timestampMs = baseTimestampMs + number()
    const offset = base + number()
    const key = text()
    const value = text()
    const headers: [string, string | null][] = []
    for (let count = number(); count > 0; count -= 1) headers.push([text() ?? '', text()])
    if (at !== end) throw new Error(`record ends at ${at}, its length says ${end}`)
    records.push({ offset, timestampMs, key, value, headers })
  }
  if (at !== batch.length) throw new Error(`batch ends at ${at}, it has ${batch.length} bytes`)
  return records
}
