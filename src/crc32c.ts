/**
 * CRC-32C (Castagnoli, reflected polynomial 0x82F63B78), the checksum of Kafka's record batches and of LevelDB's
 * blocks.
 *
 * Slicing (Kounavis and Berry, "A Systematic Approach to Building High Performance, Software-based, CRC Generators",
 * 2005): table k tells what a byte does to the remainder k bytes later, so that the look-ups of one step do not wait
 * for each other. By 16 and with 32-bit loads: measured half as fast again as by 8 with byte loads.
 */
const POLYNOMIAL = 0x82f63b78
const SLICES = 16

function buildTables(): readonly Int32Array[] {
  const tables = Array.from({ length: SLICES }, () => new Int32Array(256))
  for (let byte = 0; byte < 256; byte += 1) {
    let remainder = byte
    for (let bit = 0; bit < 8; bit += 1) {
      remainder = (remainder & 1) === 0 ? remainder >>> 1 : (remainder >>> 1) ^ POLYNOMIAL
    }
    tables[0]![byte] = remainder
  }
  for (let k = 1; k < SLICES; k += 1) {
    for (let byte = 0; byte < 256; byte += 1) {
      const before = tables[k - 1]![byte]!
      tables[k]![byte] = (before >>> 8) ^ tables[0]![before & 0xff]!
    }
  }
  return tables
}

const TABLES = buildTables()
// Each in a constant of its own: an array in between would cost a load for each look-up.
const [T0, T1, T2, T3] = [TABLES[0]!, TABLES[1]!, TABLES[2]!, TABLES[3]!]
const [T4, T5, T6, T7] = [TABLES[4]!, TABLES[5]!, TABLES[6]!, TABLES[7]!]
const [T8, T9, T10, T11] = [TABLES[8]!, TABLES[9]!, TABLES[10]!, TABLES[11]!]
const [T12, T13, T14, T15] = [TABLES[12]!, TABLES[13]!, TABLES[14]!, TABLES[15]!]

/** The checksum of the bytes in `[start, end)`, as an unsigned 32-bit number. No bytes give 0. */
export function crc32c(bytes: Uint8Array, start = 0, end = bytes.length): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let crc = -1
  let at = start
  for (const wholeEnd = end - SLICES + 1; at < wholeEnd; at += SLICES) {
    const a = crc ^ view.getInt32(at, true)
    const b = view.getInt32(at + 4, true)
    const c = view.getInt32(at + 8, true)
    const d = view.getInt32(at + 12, true)
    crc =
      T15[a & 0xff]! ^
      T14[(a >>> 8) & 0xff]! ^
      T13[(a >>> 16) & 0xff]! ^
      T12[a >>> 24]! ^
      (T11[b & 0xff]! ^ T10[(b >>> 8) & 0xff]! ^ T9[(b >>> 16) & 0xff]! ^ T8[b >>> 24]!) ^
      (T7[c & 0xff]! ^ T6[(c >>> 8) & 0xff]! ^ T5[(c >>> 16) & 0xff]! ^ T4[c >>> 24]!) ^
      (T3[d & 0xff]! ^ T2[(d >>> 8) & 0xff]! ^ T1[(d >>> 16) & 0xff]! ^ T0[d >>> 24]!)
  }
  for (; at < end; at += 1) crc = (crc >>> 8) ^ T0[(crc ^ bytes[at]!) & 0xff]!
  return (crc ^ -1) >>> 0
}
