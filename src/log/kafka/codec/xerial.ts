/**
 * Snappy as Java's clients frame it (the xerial format): a magic of 8 bytes, two 32-bit versions, then blocks, each
 * behind its 32-bit length. Clients in other languages send bare snappy; both are read, the framed form is written.
 */
import { compressSync, uncompressSync } from 'snappy'

const MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00])
const HEADER_BYTES = 16
const VERSION = 1
/** Java's own size of a block; readers give it no meaning. */
const BLOCK_BYTES = 32_768

/** Framed snappy. */
export function packXerial(plain: Buffer): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  MAGIC.copy(header)
  header.writeInt32BE(VERSION, 8)
  header.writeInt32BE(VERSION, 12)
  const parts: Buffer[] = [header]
  for (let at = 0; at < plain.length; at += BLOCK_BYTES) {
    const block = compressSync(Buffer.from(plain.subarray(at, at + BLOCK_BYTES)))
    const length = Buffer.alloc(4)
    length.writeInt32BE(block.length)
    parts.push(length, block)
  }
  return Buffer.concat(parts)
}

/** The plain bytes of framed or bare snappy. Throws on damaged input. */
export function unpackXerial(packed: Buffer): Buffer {
  if (!packed.subarray(0, MAGIC.length).equals(MAGIC)) return unpackBlock(packed)
  const blocks: Buffer[] = []
  for (let at = HEADER_BYTES; at < packed.length;) {
    const length = packed.readInt32BE(at)
    const end = at + 4 + length
    if (length < 0 || end > packed.length) throw new RangeError('a snappy block is cut off')
    blocks.push(unpackBlock(packed.subarray(at + 4, end)))
    at = end
  }
  return Buffer.concat(blocks)
}

function unpackBlock(block: Buffer): Buffer {
  const plain = uncompressSync(Buffer.from(block), { asBuffer: true })
  return typeof plain === 'string' ? Buffer.from(plain) : plain
}
