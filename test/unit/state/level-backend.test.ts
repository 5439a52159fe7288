import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import path from 'node:path'
import { Level } from 'level'
import { describe, expect, it } from 'vitest'
import { CorruptedStateError } from '../../../src/errors.ts'
import type { BackendWrite } from '../../../src/state/backend.ts'
import { LevelBackend } from '../../../src/state/level-backend.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

// The port's promises are checked by test/contract/state-backend.test.ts, damage to files by state-damage.test.ts.
const root = temporaryFolder()
const newLocation = (): string => path.join(mkdtempSync(path.join(root.path, 'db-')), 'task')
const open = (location: string): Promise<LevelBackend> => LevelBackend.open(location, () => undefined)
const write = (key: string): BackendWrite => ({ key: Buffer.from(key), value: Buffer.from(`of ${key}`) })

/** Changes the database behind the backend's back. */
async function tampered(
  location: string,
  change: (database: Level<Buffer, Buffer>) => Promise<void>,
): Promise<void> {
  const database = new Level<Buffer, Buffer>(location, {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
    compression: false,
  })
  await change(database)
  await database.close()
}

async function filled(writes: number): Promise<string> {
  const location = newLocation()
  const backend = await open(location)
  for (let number = 1; number <= writes; number++)
    await backend.write([write(`s\0${number}`)], Buffer.from(`c${number}`))
  await backend.close()
  return location
}

const ledgerKey = (number: bigint): Buffer => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(number)
  return Buffer.concat([Buffer.from('\0ledger\0'), bytes])
}

describe('LevelBackend', () => {
  it('shows nothing of its own entries', async () => {
    const backend = await open(await filled(3))
    const keys: string[] = []
    for await (const page of backend.scan()) keys.push(...page.map(([key]) => String(key)))
    expect(keys).toEqual(['s\x001', 's\x002', 's\x003'])
    await backend.close()
  })

  it('finds that a write is missing though later ones are there', async () => {
    const location = await filled(5)
    await tampered(location, (database) => database.del(ledgerKey(3n)))
    await expect(open(location)).rejects.toThrow(/write \d is missing/)
  })

  it('finds that the last write is missing though its checkpoint is there', async () => {
    const location = await filled(5)
    await tampered(location, (database) => database.del(ledgerKey(5n)))
    await expect(open(location)).rejects.toThrow(CorruptedStateError)
  })

  it('finds a missing write also behind a restart, from where its ledger begins anew', async () => {
    const location = await filled(3)
    for (const number of [4, 5, 6]) {
      const backend = await open(location)
      await backend.write([write(`s\0${number}`)], Buffer.from(`c${number}`))
      await backend.close()
    }
    await tampered(location, (database) => database.del(ledgerKey(6n)))
    await expect(open(location)).rejects.toThrow(/write 6 is missing/)
  })

  it('finds entries without a checkpoint', async () => {
    for (const kept of ['entries', 'ledger'] as const) {
      const location = await filled(1)
      await tampered(location, async (database) => {
        await database.del(Buffer.from('\0checkpoint'))
        await database.del(kept === 'entries' ? ledgerKey(1n) : Buffer.from('s\x001'))
      })
      await expect(open(location)).rejects.toThrow(/entries without a checkpoint/)
    }
  })

  it('finds a checkpoint that was changed, and own entries that are none', async () => {
    const changed = await filled(1)
    await tampered(changed, (database) => database.put(Buffer.from('\0checkpoint'), Buffer.from('nonsense')))
    await expect(open(changed)).rejects.toThrow(CorruptedStateError)
    const strange = await filled(1)
    await tampered(strange, (database) => database.put(Buffer.from('\0ledger\0x'), Buffer.alloc(0)))
    await expect(open(strange)).rejects.toThrow(CorruptedStateError)
  })

  it('lets go of a database that it found damaged, so that it can be wiped and made anew', async () => {
    const location = await filled(2)
    await tampered(location, (database) => database.del(ledgerKey(2n)))
    await expect(open(location)).rejects.toThrow(CorruptedStateError)
    rmSync(location, { recursive: true })
    const backend = await open(location)
    expect(backend.checkpoint()).toBeUndefined()
    await backend.close()
  })

  it('keeps its ledger short: opening begins a new one', async () => {
    const location = await filled(50)
    await (await open(location)).close()
    await tampered(location, async (database) => {
      const own = await database.keys({ lt: Buffer.from('\x01') }).all()
      expect(own).toEqual([Buffer.from('\0checkpoint'), ledgerKey(50n)])
    })
  })

  it('takes a copy of the files for what it was when they were copied', async () => {
    const location = await filled(4)
    const copy = newLocation()
    cpSync(location, copy, { recursive: true })
    const original = await open(location)
    await original.write([write('s\x005')], Buffer.from('c5'))
    await original.close()
    const older = await open(copy)
    expect(String(older.checkpoint())).toBe('c4')
    await older.close()
  })

  it('is no damage where the system refuses: a file in the way stays an error of the system', async () => {
    const file = root.write('in-the-way', '')
    const failure: unknown = await open(path.join(file, 'task')).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(Error)
    expect(failure).not.toBeInstanceOf(CorruptedStateError)
  })

  it('is no damage where somebody else has it open, whatever the folder is called', async () => {
    const location = path.join(mkdtempSync(path.join(root.path, 'db-')), 'current-checksum-corrupt')
    const backend = await open(location)
    await expect(open(location)).rejects.toThrow(expect.objectContaining({ code: 'LEVEL_LOCKED' }))
    await backend.close()
  })

  it('tells once that it is closed', async () => {
    let told = 0
    const backend = await LevelBackend.open(newLocation(), () => void told++)
    await Promise.all([backend.close(), backend.close()])
    await backend.close()
    expect(told).toBe(1)
  })
})
