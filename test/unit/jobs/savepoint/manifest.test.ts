import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { readContainerFile } from '../../../../src/jobs/savepoint/container-file.ts'
import {
  decodeManifest,
  encodeManifest,
  FORMAT_VERSION,
  MANIFEST_FILE,
  type Manifest,
} from '../../../../src/jobs/savepoint/manifest.ts'
import { openSavepoint, type Savepoint } from '../../../../src/jobs/savepoint/savepoint-folder.ts'
import { verifySavepoint } from '../../../../src/jobs/savepoint/verify.ts'
import { SavepointRig } from '../../../support/savepoint-rig.ts'
import { temporaryFolder } from '../../../support/temporary-folder.ts'

const GOLDEN = path.resolve(import.meta.dirname, '../../../fixtures/savepoints')
const folder = temporaryFolder()
const open: SavepointRig[] = []

afterEach(async () => {
  await Promise.all(open.splice(0).map((rig) => rig.close()))
})

const golden = (name: string): Promise<Savepoint> =>
  openSavepoint({ root: GOLDEN, applicationId: 'app', name })

describe('a savepoint of each format that was ever released', () => {
  it('is kept here', () => {
    const kept = readdirSync(path.join(GOLDEN, 'app')).sort()
    expect(kept).toEqual(Array.from({ length: FORMAT_VERSION }, (_, index) => `format-${index + 1}`))
  })

  it.each(['format-1'])('is whole and says what it always said: %s', async (name) => {
    const savepoint = await golden(name)
    expect((await verifySavepoint(savepoint)).filter(({ problem }) => problem !== undefined)).toEqual([])
    const { manifest } = savepoint
    expect([manifest.application, manifest.incarnation, manifest.tasks.length]).toEqual(['app', 0, 6])
    const counts = manifest.tasks.map(({ entry }) => entry.counts['consumed'])
    expect(counts.slice(0, 3)).toEqual([134, 133, 133])
    const [held] = manifest.files.filter(({ kind, records }) => kind === 'held' && records > 0)
    const records = []
    for await (const record of readContainerFile(savepoint.folder, { file: held!.file, kind: 'held' }))
      records.push(record)
    expect(records).toHaveLength(held!.records)
    expect(records.some(({ value }) => /^[a-g]\d+$/.test(value?.toString() ?? ''))).toBe(true)
    expect(records[0]!.headers.map(({ key }) => key)).toContain('__millrace.carried')
  })

  it.each(['format-1'])(
    'gives what a run from the start gives, once it is gone back to: %s',
    async (name) => {
      const { folder: from, manifest } = await golden(name)
      const [whole, restored] = [new SavepointRig(folder.path), new SavepointRig(folder.path)]
      open.push(whole, restored)
      for (const rig of [whole, restored]) {
        await rig.open()
        await rig.feed(400)
      }
      await restored.restore({ folder: from, ...(await ofTopicsNow(manifest, restored)) })
      for (const rig of [whole, restored]) {
        rig.start()
        await rig.feed(600)
        await rig.settled()
      }
      const cut = manifest.tasks.slice(3).map(({ entry }) => entry.counts['results'] ?? 0)
      const expected = (await whole.published()).map((records, partition) => records.slice(cut[partition]))
      expect(Math.max(...cut)).toBeGreaterThan(0)
      expect(Math.min(...expected.map(({ length }) => length))).toBeGreaterThan(0)
      expect(await restored.published()).toEqual(expected)
    },
  )
})

/** The same over topics that were made now: in the log it was taken of they had other ids. */
async function ofTopicsNow(
  { format: _format, formatVersion: _version, ...manifest }: Manifest,
  { log }: SavepointRig,
): Promise<ReturnType<typeof encodeManifest>> {
  const topics = await log.describeTopics(['in'])
  const inputs = manifest.inputs.map((input) => ({
    ...input,
    topicId: topics.get(input.topic)?.topicId ?? input.topicId,
  }))
  return encodeManifest({ ...manifest, inputs })
}

describe('a manifest', () => {
  const text = readFileSync(path.join(GOLDEN, 'app/format-1', MANIFEST_FILE), 'utf8')

  it('survives being written and read, infinities and all', () => {
    const { manifest, sha256 } = decodeManifest(text, 'golden')
    const { format: _format, formatVersion: _version, ...own } = manifest
    const again = encodeManifest(own)
    expect([again.text, again.sha256]).toEqual([text, sha256])
    const closed = encodeManifest({
      ...own,
      tasks: own.tasks.map(({ task, entry }) => ({ task, entry: { ...entry, closedThroughMs: -Infinity } })),
    })
    expect(decodeManifest(closed.text, 'x').manifest.tasks[0]!.entry.closedThroughMs).toBe(-Infinity)
  })

  it.each([
    ['is changed', (was: string) => was.replace('"incarnation": 0', '"incarnation": 1'), /SHA-256/],
    ['is cut off', (was: string) => was.slice(0, 500), /damaged/],
    ['is something else', () => '{"hello": 1}', /no manifest of a savepoint/],
    ['is null', () => 'null', /no manifest of a savepoint/],
    [
      'has a newer format',
      (was: string) => was.replace('"formatVersion": 1', '"formatVersion": 2'),
      /version 2; this version of millrace reads 1/,
    ],
  ])('is refused when it %s', (_what, change, told) => {
    expect(() => decodeManifest(change(text), 'that file')).toThrow(told)
  })

  it('never leads out of its folder', () => {
    const { manifest } = decodeManifest(text, 'golden')
    const { format: _format, formatVersion: _version, ...own } = manifest
    for (const file of ['../store-0_0-x.avro', 'store-0_0-../x.avro', '/etc/passwd', 'store-0_0-x.avro/..']) {
      const files = own.files.map((one) => ({ ...one, file }))
      expect(() => decodeManifest(encodeManifest({ ...own, files }).text, 'x')).toThrow(/it names the file/)
    }
  })
})

describe('a file of a savepoint', () => {
  it('is found to be damaged wherever a byte changes', async () => {
    const root = path.join(folder.path, 'damaged')
    cpSync(GOLDEN, root, { recursive: true })
    const savepoint = await openSavepoint({ root, applicationId: 'app', name: 'format-1' })
    const file = path.join(savepoint.folder, savepoint.manifest.files[0]!.file)
    const whole = readFileSync(file)
    for (const at of [0, 10, Math.floor(whole.length / 2), whole.length - 1]) {
      const changed = Buffer.from(whole)
      changed[at]! ^= 0x10
      writeFileSync(file, changed)
      const [first, ...others] = await verifySavepoint(savepoint)
      expect(first!.problem).toMatch(/its SHA-256 is/)
      expect(others.every(({ problem }) => problem === undefined)).toBe(true)
    }
    writeFileSync(file, whole.subarray(0, -1))
    expect((await verifySavepoint(savepoint))[0]!.problem).toMatch(/bytes instead of/)
  })
})
