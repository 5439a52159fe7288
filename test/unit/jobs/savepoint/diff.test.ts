import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { diffSavepoints, type EntryDifference } from '../../../../src/jobs/savepoint/diff.ts'
import type { Savepoint } from '../../../../src/jobs/savepoint/savepoint-folder.ts'
import { EntryReader } from '../../../../src/jobs/savepoint/show-entry.ts'
import { orderedTopology, SavepointRig } from '../../../support/savepoint-rig.ts'
import { temporaryFolder } from '../../../support/temporary-folder.ts'

const folder = temporaryFolder()

async function differences(a: Savepoint, b: Savepoint): Promise<readonly EntryDifference[]> {
  const found: EntryDifference[] = []
  for await (const difference of diffSavepoints(a, b)) found.push(difference)
  return found
}

describe('the differences of two savepoints', () => {
  it('are what came, what went and what changed, by key and window; those of expiring entries too', async () => {
    const rig = new SavepointRig(path.join(folder.path, 'savepoints'))
    await rig.open()
    rig.start()
    await rig.feed(200)
    await rig.settled()
    const one = await rig.create({ name: 'one' })
    const same = await rig.create({ name: 'same' })
    await rig.feed(600)
    await rig.settled()
    const two = await rig.create({ name: 'two' })
    await rig.close()
    expect(await differences(one, same)).toEqual([])
    const found = await differences(one, two)
    const reader = new EntryReader(one.manifest, 'joined', orderedTopology())
    const joined = found.filter(({ store }) => store === 'joined')
    const windows = (which: 'a' | 'b') =>
      joined.filter((difference) => difference[which] !== undefined).map(({ key }) => reader.key(key))
    expect(Math.min(windows('a').length, windows('b').length)).toBeGreaterThan(0)
    for (const { key, windowStartMs } of windows('a')) {
      expect(key).toMatch(/^[a-g]$/)
      expect(windowStartMs! % 1_000).toBe(0)
    }
    for (const { a } of joined) if (a !== undefined) expect(reader.value(a)).toMatch(/^[a-g]\d+(,[a-g]\d+)*$/)
    // Each reading that was remembered in between, once; whatever the chunks.
    const seen = found
      .filter(({ store, b }) => store === 'seen' && b !== undefined)
      .map(({ key }) => key.toString())
    expect(new Set(seen).size).toBe(seen.length)
    expect(seen).toEqual(expect.arrayContaining([expect.stringMatching(/^[a-g]799$/)]))
    expect(seen).toHaveLength(600)
    const back = await differences(two, one)
    expect(back.map(({ a, b, ...place }) => ({ ...place, a: b, b: a }))).toEqual(found)
  })
})
