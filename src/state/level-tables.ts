/**
 * Whether the table files of a LevelDB are what was written.
 *
 * LevelDB keeps a checksum for each block but does not compare it when it reads: a changed byte can make an entry a
 * deleted one, or end the process in native code. So all blocks are checked before it opens the files.
 *
 * Format: LevelDB's `doc/table_format.md`. A table is data blocks, then blocks about them, then a footer of 48 bytes
 * that tells where the index of the data blocks is. Every block is followed by a byte for its compression and a masked
 * CRC-32C over block and byte. The index has to be readable without decompression, so tables are written without it.
 */
import { open, readdir, type FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { crc32c } from '../crc32c.ts'

const FOOTER_BYTES = 48
const TRAILER_BYTES = 5
const MAGIC = 0xdb4775248b80fb57n
const MASK_DELTA = 0xa282ead8
/** Blocks that lie side by side are read together. */
const READ_BYTES = 1024 * 1024

interface BlockHandle {
  readonly offset: number
  /** Without the trailer. */
  readonly size: number
}

/**
 * What is wrong with the tables in a folder, one line for the first damage; `undefined` where nothing is, or no folder
 * is there. Errors of the system pass through.
 */
export async function damageInTables(folder: string): Promise<string | undefined> {
  for (const name of (await namesIn(folder)).filter((name) => /\.(ldb|sst)$/.test(name)).sort()) {
    const file = await open(path.join(folder, name))
    try {
      if (!(await isWhole(file))) return `a block of ${name} does not fit its checksum`
    } finally {
      await file.close()
    }
  }
  return undefined
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

async function isWhole(file: FileHandle): Promise<boolean> {
  const { size } = await file.stat()
  if (size < FOOTER_BYTES) return false
  const footer = await read(file, size - FOOTER_BYTES, FOOTER_BYTES)
  if (footer.readBigUInt64LE(FOOTER_BYTES - 8) !== MAGIC) return false
  const reader = new Varints(footer, 0)
  const about = reader.handle()
  const index = reader.handle()
  const handles = [about, index]
  for (const handle of handles) {
    if (!isInside(handle, size) || !(await areWhole(file, [handle]))) return false
  }
  for (const handle of [about, index]) {
    const block = await read(file, handle.offset, handle.size)
    handles.push(...handlesIn(block))
  }
  if (!handles.every((handle) => isInside(handle, size))) return false
  return areWhole(file, handles.slice(2))
}

function isInside({ offset, size }: BlockHandle, fileSize: number): boolean {
  return offset + size + TRAILER_BYTES <= fileSize
}

/** Handles are in the order of the file, as LevelDB writes its blocks. */
async function areWhole(file: FileHandle, handles: readonly BlockHandle[]): Promise<boolean> {
  let chunk: Buffer = Buffer.alloc(0)
  let chunkStart = 0
  for (const { offset, size } of handles) {
    const bytes = size + TRAILER_BYTES
    if (offset < chunkStart || offset + bytes > chunkStart + chunk.length) {
      chunk = await read(file, offset, Math.max(READ_BYTES, bytes))
      chunkStart = offset
    }
    const start = offset - chunkStart
    if (start + bytes > chunk.length) return false
    const checksum = crc32c(chunk, start, start + size + 1)
    if (masked(checksum) !== chunk.readUInt32LE(start + size + 1)) return false
  }
  return true
}

/** So that the checksum of bytes that contain checksums is no special value. */
function masked(checksum: number): number {
  return (((checksum >>> 15) | (checksum << 17)) + MASK_DELTA) >>> 0
}

/** At most `bytes` from `offset`; fewer at the end of the file. */
async function read(file: FileHandle, offset: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(bytes)
  let length = 0
  while (length < bytes) {
    const { bytesRead } = await file.read(buffer, length, bytes - length, offset + length)
    if (bytesRead === 0) break
    length += bytesRead
  }
  return buffer.subarray(0, length)
}

/**
 * The values of a block whose values are handles: entries of (bytes shared with the key before, further bytes of the
 * key, bytes of the value, key, value), then restart points, then their count.
 */
function handlesIn(block: Buffer): readonly BlockHandle[] {
  const restarts = block.readUInt32LE(block.length - 4)
  const end = block.length - 4 - 4 * restarts
  const handles: BlockHandle[] = []
  const reader = new Varints(block, 0)
  while (reader.at < end) {
    reader.next()
    const keyBytes = reader.next()
    const valueBytes = reader.next()
    reader.at += keyBytes
    handles.push(new Varints(block, reader.at).handle())
    reader.at += valueBytes
  }
  return handles
}

/** Reads numbers of 7 bits a byte, the lowest first. */
class Varints {
  at: number
  private readonly bytes: Buffer

  constructor(bytes: Buffer, at: number) {
    this.bytes = bytes
    this.at = at
  }

  next(): number {
    let value = 0
    for (let factor = 1; ; factor *= 128) {
      const byte = this.bytes[this.at++] ?? 0
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return value
    }
  }

  handle(): BlockHandle {
    return { offset: this.next(), size: this.next() }
  }
}
