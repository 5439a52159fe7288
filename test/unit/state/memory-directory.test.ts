import { describe, expect, it } from 'vitest'
import { AssertionError } from '../../../src/assert.ts'
import { MemoryStateDirectory } from '../../../src/state/memory-directory.ts'

// What it has in common with the directory on disk is checked by test/contract/state-backend.test.ts.
describe('MemoryStateDirectory', () => {
  it('outlives the process that used it: what was written stays, and can be opened again', async () => {
    const directory = new MemoryStateDirectory()
    const lost = await directory.open('0_0')
    await lost.write([{ key: Buffer.from('a'), value: Buffer.from('1') }], Buffer.from('c'))
    expect(() => directory.open('0_0')).toThrow(AssertionError)
    directory.abandon()
    const found = await directory.open('0_0')
    expect(String(found.checkpoint())).toBe('c')
    expect(String(found.getSync(Buffer.from('a')))).toBe('1')
  })

  it('is called memory unless it is told otherwise', () => {
    expect(new MemoryStateDirectory().location).toBe('memory')
    expect(new MemoryStateDirectory('disk of instance 1').location).toBe('disk of instance 1')
  })
})
