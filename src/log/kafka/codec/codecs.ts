/** The codecs of record batches: their numbers in a batch's attributes, packing and unpacking. */
import { gunzipSync, gzipSync } from 'node:zlib'
import { compress as packZstd, decompress as unpackZstd, init as initZstd } from '@bokuweb/zstd-wasm'
import lz4 from 'lz4-napi'
import { RecordError } from '../../../errors.ts'
import type { Compression } from '../options.ts'
import { packXerial, unpackXerial } from './xerial.ts'

/** Packs and unpacks whole record sections, at once. */
export interface Codec {
  pack(plain: Buffer): Uint8Array
  /** Throws on damaged input. */
  unpack(packed: Buffer): Uint8Array
}

/** Codec numbers, the low three bits of a batch's attributes. */
export const CODEC_NUMBERS: Readonly<Record<Exclude<Compression, 'none'>, number>> = {
  gzip: 1,
  snappy: 2,
  lz4: 3,
  zstd: 4,
}

const ZSTD_LEVEL = 3
/** The decompressor's answer when the room it was given is too small. */
const ZSTD_NO_ROOM = /code -70\b/
const ZSTD_MAX_BYTES = 1_073_741_824

const CODECS: Readonly<Record<number, Codec>> = {
  [CODEC_NUMBERS.gzip]: { pack: (plain) => gzipSync(plain), unpack: (packed) => gunzipSync(packed) },
  [CODEC_NUMBERS.snappy]: { pack: packXerial, unpack: unpackXerial },
  [CODEC_NUMBERS.lz4]: {
    pack: (plain) => lz4.compressFrameSync(plain),
    unpack: (packed) => lz4.decompressFrameSync(packed),
  },
  [CODEC_NUMBERS.zstd]: { pack: (plain) => packZstd(plain, ZSTD_LEVEL), unpack: unpackFrames },
}

let ready: Promise<void> | null = null

/** Resolves when all codecs can be used: the zstd one is WebAssembly, which is made ready once. */
export function loadCodecs(): Promise<void> {
  ready ??= initZstd()
  return ready
}

/** `RecordError` `RECORD_BATCH_UNSUPPORTED` for a number that no codec has. */
export function codecOf(number: number): Codec {
  const codec = CODECS[number]
  if (codec !== undefined) return codec
  throw new RecordError('RECORD_BATCH_UNSUPPORTED', `There is no codec ${number} for record batches.`)
}

/** Java's frames do not tell their plain size, and the decompressor has to be given room beforehand. */
function unpackFrames(packed: Buffer): Uint8Array {
  for (let room = Math.max(1_048_576, packed.length * 8); ; room *= 4) {
    try {
      return unpackZstd(packed, { defaultHeapSize: room })
    } catch (error) {
      if (!ZSTD_NO_ROOM.test(String(error)) || room > ZSTD_MAX_BYTES) throw error
    }
  }
}
