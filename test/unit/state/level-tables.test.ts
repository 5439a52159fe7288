import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Level } from 'level'
import { beforeAll, describe, expect, it } from 'vitest'
import { damageInTables } from '../../../src/state/level-tables.ts'
import { SeededRandom } from '../../../src/testing/seeded-random.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const root = temporaryFolder()
const original = path.join(root.path, 'original')
let copies = 0

/** Every table of a database, small enough that each byte can be changed. */
async function writeTables(): Promise<void> {
  const random = new SeededRandom(3)
  const database = new Level<Buffer, Buffer>(original, {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
    compression: false,
  })
  for (let key = 0; key < 200; key++)
    await database.put(Buffer.from(`key ${key}`), Buffer.from(random.bytes(random.int(120))))
  await database.close()
  // Opening again moves what is in the write-ahead log into a table.
  const again = new Level(original, { compression: false })
  await again.open()
  await again.close()
}

const tablesIn = (folder: string): string[] => readdirSync(folder).filter((name) => name.endsWith('.ldb'))

function copy(): string {
  const folder = path.join(root.path, `copy-${copies++}`)
  mkdirSync(folder)
  cpSync(original, folder, { recursive: true })
  return folder
}

beforeAll(writeTables)

describe('damageInTables', () => {
  it('finds nothing in tables as LevelDB wrote them', async () => {
    expect(tablesIn(original)).toHaveLength(1)
    expect(await damageInTables(original)).toBeUndefined()
  })

  it('finds nothing where no folder is', async () => {
    expect(await damageInTables(path.join(root.path, 'nowhere'))).toBeUndefined()
  })

  it('finds any changed byte, but in what is filled up in the footer', async () => {
    const folder = copy()
    const table = tablesIn(folder)[0]!
    const file = path.join(folder, table)
    const bytes = readFileSync(file)
    // The footer is two handles, zeros up to 40 bytes, and the magic number.
    const footer = bytes.subarray(-48, -8)
    const handlesEnd = bytes.length - 8 - [...footer].reverse().findIndex((byte) => byte !== 0)
    const places = Array.from({ length: bytes.length }, (_, at) => at)
    const seen = places.filter((at) => at < handlesEnd || at >= bytes.length - 8)
    for (const at of seen.filter((place, index) => index % 37 === 0 || place > bytes.length - 200)) {
      const changed = Buffer.from(bytes)
      changed[at]! ^= 0x10
      writeFileSync(file, changed)
      expect(await damageInTables(folder), `byte ${at} of ${bytes.length}`).toContain(table)
    }
  })

  it('finds a lost end, wherever it began', async () => {
    const folder = copy()
    const file = path.join(folder, tablesIn(folder)[0]!)
    const bytes = readFileSync(file)
    for (const length of [0, 1, 47, 48, 5_000, bytes.length - 1]) {
      writeFileSync(file, bytes.subarray(0, length))
      expect(await damageInTables(folder), `${length} bytes`).toBeDefined()
    }
  })
})
