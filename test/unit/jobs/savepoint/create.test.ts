import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { codeOf } from '../../../../src/errors.ts'
import { listSavepoints, openSavepoint } from '../../../../src/jobs/savepoint/savepoint-folder.ts'
import { verifySavepoint } from '../../../../src/jobs/savepoint/verify.ts'
import { RecordBatchBuilder } from '../../../../src/log/record-batch-builder.ts'
import { APPLICATION, SavepointRig } from '../../../support/savepoint-rig.ts'
import { temporaryFolder } from '../../../support/temporary-folder.ts'

const folder = temporaryFolder()
let rig: SavepointRig
let rigs = 0

afterEach(() => rig.close())

async function started(): Promise<string> {
  rig = new SavepointRig(path.join(folder.path, String(rigs++)))
  await rig.open()
  rig.start()
  await rig.feed(100)
  await rig.settled()
  return path.join(rig.root, APPLICATION)
}

const codeOfFailed = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'nothing failed',
    (error: unknown) => codeOf(error, String(error)),
  )

describe('taking a savepoint', () => {
  it('leaves nothing behind when it fails, and the application goes on', async () => {
    const place = await started()
    const failing = rig.create({
      name: 'one',
      onProgress: () => {
        throw new Error('enough')
      },
    })
    await expect(failing).rejects.toThrow('enough')
    expect(readdirSync(place)).toEqual([])
    await rig.feed(100)
    await rig.settled()
  })

  it('begins anew where a creation was killed, and leaves alone what is not its own', async () => {
    const place = await started()
    mkdirSync(path.join(place, 'one/scratch'), { recursive: true })
    writeFileSync(path.join(place, 'one/store-9_9-left.avro'), 'half of it')
    writeFileSync(path.join(place, 'one/notes.txt'), 'mine')
    expect(await listSavepoints(rig.root, APPLICATION)).toMatchObject([
      { name: 'one', problem: 'unfinished' },
    ])
    const opened = openSavepoint({ root: rig.root, applicationId: APPLICATION, name: 'one' })
    expect(await codeOfFailed(opened)).toBe('SAVEPOINT_UNFINISHED')
    const savepoint = await rig.create({ name: 'one' })
    expect((await verifySavepoint(savepoint)).every(({ problem }) => problem === undefined)).toBe(true)
    expect(existsSync(path.join(place, 'one/store-9_9-left.avro'))).toBe(false)
    expect(readdirSync(path.join(place, 'one'))).toEqual(
      expect.arrayContaining(['manifest.json', 'notes.txt']),
    )
    expect(readdirSync(path.join(place, 'one'))).not.toContain('scratch')
  })

  it('is refused for a name that is taken, or being taken; for an application that never ran', async () => {
    await started()
    const first = rig.create({ name: 'one' })
    await rig.until(() => existsSync(path.join(rig.root, APPLICATION, 'one/millrace.lock')))
    expect(await codeOfFailed(rig.create({ name: 'one' }))).toBe('SAVEPOINT_IN_USE')
    await first
    expect(await codeOfFailed(rig.create({ name: 'one' }))).toBe('SAVEPOINT_EXISTS')
    expect(await codeOfFailed(rig.create({ name: 'x', applicationId: 'nobody' }))).toBe('APPLICATION_UNKNOWN')
    expect(existsSync(path.join(rig.root, 'nobody'))).toBe(false)
  })

  it('fails when somebody commits although the application is held: it would be no cut', async () => {
    await started()
    await rig.stopAll()
    let written = false
    const intruding = rig.create({
      name: 'one',
      onProgress: () => {
        if (written) return
        written = true
        void intrude()
      },
    })
    expect(await codeOfFailed(intruding)).toBe('SAVEPOINT_OVERTAKEN')
  })

  it('waits for a transaction that somebody has left open, and takes nothing of it', async () => {
    await started()
    await rig.stopAll()
    const producer = await rig.log.producer({ transactionalId: 'left', transactionTimeoutMs: 700 })
    producer.begin()
    const records = new RecordBatchBuilder()
    records.append(0, 'latest', '{"formatVersion":1,"commitId":999}')
    await producer.send([{ topic: `${APPLICATION}-commits-0`, partition: 0, records }])
    const { manifest } = await rig.create({ name: 'one' })
    expect(manifest.tasks.every(({ entry }) => entry.commitId < 999)).toBe(true)
  })
})

async function intrude(): Promise<void> {
  const producer = await rig.log.producer({ transactionalId: 'intruder' })
  const records = new RecordBatchBuilder()
  records.append(0, 'intruder', '{}')
  producer.begin()
  await producer.send([{ topic: `${APPLICATION}-commits-0`, partition: 0, records }])
  await producer.commit()
  await producer.close()
}
