import avro from 'avsc'
import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { decodeContainer, encodeContainer } from '../../../src/serde/avro-container.ts'

const SCHEMA = JSON.stringify({
  type: 'record',
  name: 'Pair',
  fields: [
    { name: 'key', type: 'bytes' },
    { name: 'value', type: ['null', 'bytes'] },
    { name: 'at', type: 'long' },
  ],
})

interface Pair {
  readonly key: Buffer
  readonly value: Buffer | null
  readonly at: number
}

function pairs(count: number): Pair[] {
  return Array.from({ length: count }, (_, index) => ({
    key: Buffer.from(`key ${index}`),
    value: index % 3 === 0 ? null : Buffer.alloc(index % 50, index),
    at: index - 5,
  }))
}

function from<T>(items: Iterable<T>): AsyncIterable<T> {
  return Readable.from(items)
}

async function bytesOf(records: Iterable<Pair>): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of encodeContainer(SCHEMA, from(records))) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function readBack(bytes: Buffer, chunkBytes: number, schema = SCHEMA): Promise<unknown[]> {
  const chunks: Buffer[] = []
  for (let at = 0; at < bytes.length; at += chunkBytes) chunks.push(bytes.subarray(at, at + chunkBytes))
  const records: unknown[] = []
  for await (const record of decodeContainer(schema, from(chunks))) records.push(record)
  return records.map((record) => ({ ...(record as object) }))
}

describe('an Avro container', () => {
  it.each([0, 1, 20_000])('gives back %i records, however its bytes are cut', async (count) => {
    const bytes = await bytesOf(pairs(count))
    expect(await readBack(bytes, 1_000_000)).toEqual(pairs(count))
    if (count < 100) expect(await readBack(bytes, 1)).toEqual(pairs(count))
  })

  it('is read by avsc itself, by its magic, its schema and its codec', async () => {
    const bytes = await bytesOf(pairs(10))
    expect(bytes.subarray(0, 4)).toEqual(Buffer.from('Obj\x01'))
    const decoder = new avro.streams.BlockDecoder()
    const codecs: string[] = []
    decoder.on('metadata', (_type: unknown, codec: string) => codecs.push(codec))
    const read: unknown[] = []
    for await (const record of Readable.from([bytes]).pipe(decoder)) read.push({ ...(record as object) })
    expect([codecs, read.length]).toEqual([['deflate'], 10])
  })

  it('has the same bytes for the same records', async () => {
    expect(await bytesOf(pairs(5_000))).toEqual(await bytesOf(pairs(5_000)))
  })

  it('may have been written with another schema, as far as that can be read', async () => {
    const fields = [{ name: 'key', type: 'bytes' }]
    const bytes = await bytesOf(pairs(2))
    const schema = JSON.stringify({ type: 'record', name: 'Pair', fields })
    expect(await readBack(bytes, 100, schema)).toEqual(pairs(2).map(({ key }) => ({ key })))
  })

  it('fails for a record that does not fit, and for bytes that are none', async () => {
    const wrong = [{ key: 'no bytes' }] as unknown as Pair[]
    await expect(bytesOf(wrong)).rejects.toThrow(/invalid/)
    await expect(readBack(Buffer.from('no container at all'), 100)).rejects.toThrow(/magic/)
    const bytes = await bytesOf(pairs(100))
    const damaged = Buffer.from(bytes)
    damaged.fill(0x55, bytes.length - 60, bytes.length - 20)
    await expect(readBack(damaged, 1_000)).rejects.toThrow()
  })

  it('passes on what the source of the records throws', async () => {
    async function* failing(): AsyncIterable<Pair> {
      yield* pairs(2)
      await Promise.reject(new Error('the source broke'))
    }
    const read = async (): Promise<void> => {
      for await (const chunk of encodeContainer(SCHEMA, failing())) expect(chunk.length).toBeGreaterThan(0)
    }
    await expect(read()).rejects.toThrow('the source broke')
  })
})
