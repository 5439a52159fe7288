import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isBadLine } from '../../../src/sensors/line-reader.ts'
import { mergeByEventTime } from '../../../src/sensors/merge-readings.ts'
import type { FileEntry } from '../../../src/sensors/reading-files.ts'

const entry = (file: string, line: number, timestamp: number): FileEntry => ({
  file,
  line,
  reading: { eventId: `${file}${line}`, sensorId: file, timestamp, temperature: 1 },
})
const bad = (file: string, line: number): FileEntry => ({
  file,
  line,
  raw: Buffer.of(),
  code: 'X',
  message: 'x',
})
const name = ({ file, line }: FileEntry): string => `${file}${line}`

interface Stream extends AsyncIterable<readonly FileEntry[]> {
  closed: boolean
}

function streamOf(entries: readonly FileEntry[], batchSize: number): Stream {
  const stream: Stream = {
    closed: false,
    async *[Symbol.asyncIterator]() {
      try {
        yield []
        for (let at = 0; at < entries.length; at += batchSize) yield entries.slice(at, at + batchSize)
      } finally {
        stream.closed = true
      }
    },
  }
  return stream
}

async function merged(streams: readonly AsyncIterable<readonly FileEntry[]>[]): Promise<FileEntry[]> {
  const entries: FileEntry[] = []
  for await (const batch of mergeByEventTime(streams)) entries.push(...batch)
  return entries
}

/** The same order by the definition: look at all heads, take the first of the lowest. */
function mergedPlainly(files: readonly (readonly FileEntry[])[]): FileEntry[] {
  const rest = files.map((file) => [...file])
  const entries: FileEntry[] = []
  for (;;) {
    const times = rest.map(([head]) =>
      head === undefined ? Infinity : isBadLine(head) ? -1 : head.reading.timestamp,
    )
    const lowest = Math.min(...times)
    if (lowest === Infinity || times.length === 0) return entries
    entries.push((rest[times.indexOf(lowest)] as FileEntry[]).shift() as FileEntry)
  }
}

describe('mergeByEventTime', () => {
  it('takes always the lowest of all heads, the first file on a tie, for any files', async () => {
    const time = fc.option(fc.nat(20), { freq: 8 })
    const files = fc.array(fc.array(time, { maxLength: 20 }), { maxLength: 9 })
    await fc.assert(
      fc.asyncProperty(files, fc.integer({ min: 1, max: 4 }), async (times, batchSize) => {
        const entries = times.map((list, i) =>
          list.map((at, line) => (at === null ? bad(`f${i}-`, line) : entry(`f${i}-`, line, at))),
        )
        const streams = entries.map((list) => streamOf(list, batchSize))
        expect((await merged(streams)).map(name)).toEqual(mergedPlainly(entries).map(name))
        expect(streams.every(({ closed }) => closed)).toBe(true)
      }),
      { seed: 1, numRuns: 300 },
    )
  })

  it('keeps a reading behind that is behind in its file', async () => {
    const a = [entry('a', 1, 10), entry('a', 2, 5), entry('a', 3, 20)]
    const b = [entry('b', 1, 7), entry('b', 2, 15)]
    expect((await merged([streamOf(a, 10), streamOf(b, 10)])).map(name)).toEqual([
      'b1',
      'a1',
      'a2',
      'b2',
      'a3',
    ])
  })

  it('hands out batches, not single entries', async () => {
    const file = Array.from({ length: 5000 }, (_, i) => entry('a', i, i))
    const sizes: number[] = []
    for await (const batch of mergeByEventTime([streamOf(file, 100)])) sizes.push(batch.length)
    expect(sizes).toEqual([1024, 1024, 1024, 1024, 904])
  })

  it('starts every stream before it hands out anything, and closes all when one fails', async () => {
    const good = streamOf([entry('a', 1, 1)], 1)
    const failing: AsyncIterable<readonly FileEntry[]> = {
      [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new Error('no such file')) }),
    }
    const merge = mergeByEventTime([good, failing])
    await expect(merge.next()).rejects.toThrow('no such file')
    expect(good.closed).toBe(true)
  })

  it('closes its streams when nobody wants more', async () => {
    const stream = streamOf(
      Array.from({ length: 5000 }, (_, i) => entry('a', i, i)),
      10,
    )
    for await (const batch of mergeByEventTime([stream])) {
      expect(batch.length).toBe(1024)
      break
    }
    expect(stream.closed).toBe(true)
  })
})
