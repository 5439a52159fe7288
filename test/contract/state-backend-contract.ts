/**
 * The promises of src/state/backend.ts as tests, run on every adapter. An adapter brings a harness; the tests ask no
 * adapter's name.
 */
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { BackendWrite, StateBackend, StateDirectory } from '../../src/state/backend.ts'

/** One folder of an instance, and how its next process gets it. */
export interface StateHarness {
  readonly directory: StateDirectory
  /** Ends the process that holds the folder, orderly; the next one has it. */
  restart(): Promise<void>
  close(): Promise<void>
}

type Entry = readonly [key: string, value: string]

const put = (key: string, value: string): BackendWrite => ({
  key: Buffer.from(key, 'latin1'),
  value: Buffer.from(value, 'latin1'),
})
const removal = (key: string): BackendWrite => ({ key: Buffer.from(key, 'latin1'), value: null })

async function pagesOf(backend: StateBackend, from?: string, to?: string): Promise<Entry[][]> {
  const bound = (key: string | undefined) => (key === undefined ? undefined : Buffer.from(key, 'latin1'))
  const pages: Entry[][] = []
  for await (const page of backend.scan(bound(from), bound(to))) {
    pages.push(page.map(([key, value]) => [key.toString('latin1'), value.toString('latin1')] as const))
  }
  return pages
}

const entriesOf = async (backend: StateBackend, from?: string, to?: string): Promise<Entry[]> =>
  (await pagesOf(backend, from, to)).flat()

const textOf = (bytes: Buffer | undefined): string | undefined => bytes?.toString('latin1')

/** Keys of stores never begin with a zero byte. */
const keys = fc
  .tuple(fc.integer({ min: 1, max: 3 }), fc.uint8Array({ maxLength: 3 }))
  .map(([first, rest]) => Buffer.from([first, ...rest]).toString('latin1'))

/** `makeHarness` is called before each test, and its harness closed after it. */
export function describeStateBackendContract(name: string, makeHarness: () => Promise<StateHarness>): void {
  describe(`the state backend contract: ${name}`, () => {
    let harness: StateHarness

    beforeEach(async () => {
      harness = await makeHarness()
    })
    afterEach(async () => {
      await harness.close()
    })

    const current = (): StateHarness => harness
    describe('a task', () => describeTask(current))
    describe('scans', () => describeScans(current))
    describe('the directory', () => describeDirectory(current))
  })
}

function describeTask(current: () => StateHarness): void {
  it('begins with nothing: no entries, no checkpoint', async () => {
    const backend = await current().directory.open('0_0')
    expect(backend.checkpoint()).toBeUndefined()
    expect(backend.getSync(Buffer.from('a'))).toBeUndefined()
    expect(await entriesOf(backend)).toEqual([])
  })

  it('stores writes, removals and the checkpoint of each write together', async () => {
    const backend = await current().directory.open('0_0')
    await backend.write([put('a', '1'), put('b', '2')], Buffer.from('first'))
    expect(textOf(backend.checkpoint())).toBe('first')
    await backend.write(
      [put('a', '3'), removal('b'), removal('never there'), put('c', '')],
      Buffer.from('second'),
    )
    expect(textOf(backend.checkpoint())).toBe('second')
    expect(textOf(backend.getSync(Buffer.from('a')))).toBe('3')
    expect(backend.getSync(Buffer.from('b'))).toBeUndefined()
    expect(textOf(backend.getSync(Buffer.from('c')))).toBe('')
    expect(await entriesOf(backend)).toEqual([
      ['a', '3'],
      ['c', ''],
    ])
  })

  it('stores a checkpoint that comes without writes', async () => {
    const backend = await current().directory.open('0_0')
    await backend.write([put('a', '1')], Buffer.from('first'))
    await backend.write([], Buffer.from('second'))
    expect(textOf(backend.checkpoint())).toBe('second')
    expect(await entriesOf(backend)).toEqual([['a', '1']])
  })

  it('applies the last of several writes of one key', async () => {
    const backend = await current().directory.open('0_0')
    await backend.write([put('a', '1'), removal('a'), put('b', '1'), put('b', '2')], Buffer.from('c'))
    expect(await entriesOf(backend)).toEqual([['b', '2']])
  })

  it('does not care what becomes of the buffers that were written', async () => {
    const backend = await current().directory.open('0_0')
    const value = Buffer.from('value')
    const key = Buffer.from('key')
    const checkpoint = Buffer.from('checkpoint')
    await backend.write([{ key, value }], checkpoint)
    for (const bytes of [key, value, checkpoint]) bytes.fill(0x78)
    await current().restart()
    const again = await current().directory.open('0_0')
    expect(textOf(again.checkpoint())).toBe('checkpoint')
    expect(await entriesOf(again)).toEqual([['key', 'value']])
  })

  it('has everything again when it is opened again', async () => {
    const backend = await current().directory.open('0_0')
    await backend.write([put('a', '1'), put('b', '2')], Buffer.from('first'))
    await backend.write([removal('a')], Buffer.from('second'))
    await backend.close()
    const again = await current().directory.open('0_0')
    expect(textOf(again.checkpoint())).toBe('second')
    expect(await entriesOf(again)).toEqual([['b', '2']])
    await again.write([put('c', '3')], Buffer.from('third'))
    await current().restart()
    const later = await current().directory.open('0_0')
    expect(textOf(later.checkpoint())).toBe('third')
    expect(await entriesOf(later)).toEqual([
      ['b', '2'],
      ['c', '3'],
    ])
  })

  it('is what a map would be, over any writes and restarts', async () => {
    const write = fc.array(fc.tuple(keys, fc.option(fc.string({ unit: 'binary-ascii', maxLength: 4 }))), {
      maxLength: 8,
    })
    const steps = fc.array(fc.oneof({ weight: 5, arbitrary: write }, fc.constant('restart' as const)), {
      maxLength: 12,
    })
    let task = 0
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const name = `1_${task++}`
        let backend = await current().directory.open(name)
        const model = new Map<string, string>()
        let checkpoint: string | undefined
        for (const [index, step] of all.entries()) {
          if (step === 'restart') {
            await current().restart()
            backend = await current().directory.open(name)
          } else {
            checkpoint = `checkpoint ${index}`
            await backend.write(
              step.map(([key, value]) => (value === null ? removal(key) : put(key, value))),
              Buffer.from(checkpoint),
            )
            for (const [key, value] of step) {
              if (value === null) model.delete(key)
              else model.set(key, value)
            }
          }
          expect(textOf(backend.checkpoint())).toBe(checkpoint)
          for (const [key, value] of model)
            expect(textOf(backend.getSync(Buffer.from(key, 'latin1')))).toBe(value)
        }
        expect(new Map(await entriesOf(backend))).toEqual(model)
        await backend.close()
      }),
      { seed: 101, numRuns: 40 },
    )
  })
}

function describeScans(current: () => StateHarness): void {
  it('show the entries of a half-open range in the order of the bytes of their keys', async () => {
    const backend = await current().directory.open('0_0')
    const written = new Set<string>()
    const bound = fc.option(keys, { nil: undefined })
    await fc.assert(
      fc.asyncProperty(fc.array(keys, { maxLength: 20 }), bound, bound, async (more, from, to) => {
        await backend.write(
          more.map((key) => put(key, key)),
          Buffer.from('c'),
        )
        for (const key of more) written.add(key)
        // A character of such a text is a byte, so texts order as bytes do.
        const expected = [...written]
          .filter((key) => (from === undefined || key >= from) && (to === undefined || key < to))
          .sort()
        expect((await entriesOf(backend, from, to)).map(([key]) => key)).toEqual(expected)
      }),
      { seed: 102, numRuns: 100 },
    )
  })

  it('come in pages, none of them empty, also of many entries', async () => {
    const backend = await current().directory.open('0_0')
    const all = Array.from({ length: 2_345 }, (_, index) => `k${String(index).padStart(5, '0')}`)
    await backend.write(
      all.map((key) => put(key, `of ${key}`)),
      Buffer.from('c'),
    )
    const pages = await pagesOf(backend)
    expect(pages.length).toBeGreaterThan(1)
    for (const page of pages) expect(page.length).toBeGreaterThan(0)
    expect(pages.flat()).toEqual(all.map((key) => [key, `of ${key}`]))
    expect(await entriesOf(backend, 'k00998', 'k01003')).toHaveLength(5)
  })

  it('may be left early', async () => {
    const backend = await current().directory.open('0_0')
    await backend.write(
      Array.from({ length: 3_000 }, (_, index) => put(`k${index}`, 'v')),
      Buffer.from('c'),
    )
    for await (const page of backend.scan()) {
      expect(page.length).toBeGreaterThan(0)
      break
    }
    await backend.write([put('x', 'v')], Buffer.from('d'))
    await backend.close()
  })
}

function describeDirectory(current: () => StateHarness): void {
  it('keeps tasks apart', async () => {
    const one = await current().directory.open('0_1')
    const two = await current().directory.open('0_2')
    await one.write([put('a', '1')], Buffer.from('one'))
    await two.write([put('a', '2')], Buffer.from('two'))
    expect(await entriesOf(one)).toEqual([['a', '1']])
    expect(textOf(two.checkpoint())).toBe('two')
  })

  it('names the tasks that have state, sorted, over restarts', async () => {
    expect(await current().directory.tasks()).toEqual([])
    for (const task of ['1_0', '0_10', '0_2']) await current().directory.open(task)
    expect(await current().directory.tasks()).toEqual(['0_10', '0_2', '1_0'])
    await current().restart()
    expect(await current().directory.tasks()).toEqual(['0_10', '0_2', '1_0'])
  })

  it('wipes a task that is closed, and no other', async () => {
    const { directory } = current()
    const gone = await directory.open('0_0')
    await gone.write([put('a', '1')], Buffer.from('c'))
    await (await directory.open('0_1')).write([put('a', '1')], Buffer.from('c'))
    await gone.close()
    await directory.wipe('0_0')
    await directory.wipe('never there')
    expect(await directory.tasks()).toEqual(['0_1'])
    const again = await directory.open('0_0')
    expect(again.checkpoint()).toBeUndefined()
    expect(await entriesOf(again)).toEqual([])
  })

  it('refuses to open a task that is open', async () => {
    const { directory } = current()
    const backend = await directory.open('0_0')
    await expect((async () => directory.open('0_0'))()).rejects.toThrow()
    await backend.write([put('a', '1')], Buffer.from('c'))
    await backend.close()
    expect(await entriesOf(await directory.open('0_0'))).toEqual([['a', '1']])
  })

  it('knows roughly how much it holds', async () => {
    const backend = await current().directory.open('0_0')
    expect(await backend.approximateBytes()).toBe(0)
    // Values that cannot be compressed: each one another text.
    const writes = Array.from({ length: 500 }, (_, index) =>
      put(
        `k${index}`,
        Array.from({ length: 40 }, (_, at) => ((index + 7) * (at + 3) * 7919).toString(36)).join(''),
      ),
    )
    await backend.write(writes, Buffer.from('c'))
    await current().restart()
    const bytes = await (await current().directory.open('0_0')).approximateBytes()
    expect(bytes).toBeGreaterThan(10_000)
    expect(bytes).toBeLessThan(1_000_000)
  })

  it('may be closed twice, and so may a task', async () => {
    const backend = await current().directory.open('0_0')
    await backend.close()
    await backend.close()
    await current().directory.open('0_1')
    await current().directory.close()
    await current().directory.close()
  })

  it('says where it is', () => {
    expect(current().directory.location).not.toBe('')
  })
}
