import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openEmbeddedLog } from '../../../../src/log/embedded/index.ts'
import type { Log, TopicPartition } from '../../../../src/log/log.ts'
import { RecordBatchBuilder } from '../../../../src/log/record-batch-builder.ts'
import { RecordCursor } from '../../../../src/log/record-cursor.ts'
import { SeededRandom } from '../../../../src/testing/seeded-random.ts'
import { compileSources, type CompiledSources } from '../../../support/compiled-sources.ts'
import { LogProcess } from '../../../support/log-process.ts'

let sources: CompiledSources
let directory: string
let processes: LogProcess[] = []

beforeAll(() => {
  sources = compileSources()
})
afterAll(() => sources.remove())
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'millrace-log-'))
})
afterEach(async () => {
  await Promise.all(processes.map((other) => other.kill()))
  processes = []
  await rm(directory, { recursive: true, force: true })
})

async function start(open = true): Promise<LogProcess> {
  const other = new LogProcess(sources.fileOf('test/support/log-child'))
  processes.push(other)
  if (open) await other.call('open', directory)
  return other
}

/** All committed values of a partition, without their padding. */
async function valuesOf(log: Log, at: TopicPartition): Promise<string[]> {
  const [end] = await log.offsets('end', [at])
  const [start_] = await log.offsets('start', [at])
  const reader = log.reader()
  reader.assign(at, start_!)
  const values: string[] = []
  const cursor = new RecordCursor()
  for (let position = start_!; position < end!;) {
    const { chunks, failures } = await reader.poll(10_000)
    expect(failures).toEqual([])
    for (const { batches, nextOffset } of chunks) {
      cursor.reset(batches)
      while (cursor.next()) values.push(cursor.value()!.toString().replace(/\.+$/, ''))
      position = nextOffset
    }
  }
  await reader.close()
  return values
}

async function put(log: Log, topic: string, value: string): Promise<void> {
  const producer = await log.producer({ transactionalId: `put-${value}` })
  const records = new RecordBatchBuilder()
  records.append(0, 'k', value)
  producer.begin()
  await producer.send([{ topic, partition: 0, records }])
  await producer.commit()
  await producer.close()
}

describe('an embedded log on disk', () => {
  it('has after every SIGKILL all acknowledged commits, each of them whole, and nothing half', async () => {
    const random = new SeededRandom(1)
    let next = 0
    for (let round = 0; round < 6; round += 1) {
      const victim = await start()
      if (round === 0) await victim.call('createTopics')
      await victim.call('commitForever', next, 4)
      const last = next + 1 + random.int(40)
      await victim.told(({ committed }) => Number(committed) >= last)
      await victim.kill()
      const acknowledged = Math.max(...victim.progress.map(({ committed }) => Number(committed)))

      const log = await openEmbeddedLog({ directory })
      const lists = await Promise.all(
        [0, 1, 2, 3].map((partition) => valuesOf(log, { topic: 'plain', partition })),
      )
      const committed = lists[0]!.length
      expect(committed).toBeGreaterThan(acknowledged)
      const all = Array.from({ length: committed }, (_, number) => `${number}`)
      for (const list of lists) expect(list).toEqual(all)
      const newest = await valuesOf(log, { topic: 'compacted', partition: 0 })
      for (const number of all.slice(-7)) expect(newest).toContain(number)
      // Compaction was under way whenever the process was killed.
      if (committed > 80) expect(newest.length).toBeLessThan(committed)
      const offsets = await log.committedOffsets('group', [{ topic: 'plain', partition: 0 }])
      expect(offsets).toEqual([BigInt(committed - 1)])
      await log.close()
      next = committed
    }
  })

  it('is there again after it was closed, with exact ends', async () => {
    const first = await openEmbeddedLog({ directory })
    await first.createTopics([{ name: 't', partitions: 1 }])
    await put(first, 't', 'a')
    const end = await first.offsets('end', [{ topic: 't', partition: 0 }])
    await first.close()
    const second = await openEmbeddedLog({ directory })
    expect(await second.offsets('end', [{ topic: 't', partition: 0 }])).toEqual(end)
    await put(second, 't', 'b')
    expect(await valuesOf(second, { topic: 't', partition: 0 })).toEqual(['a', 'b'])
    await second.close()
  })

  it('never falls behind an end that somebody has seen', async () => {
    const victim = await start()
    const log = await openEmbeddedLog({ directory })
    await victim.call('createTopics')
    await victim.call('begin', 'open')
    for (const value of ['x', 'y', 'z']) await victim.call('send', 'plain', value)
    const at = { topic: 'plain', partition: 0 }
    const [seen] = await log.offsets('end', [at])
    expect(seen).toBe(3n)
    await victim.kill()
    await expect.poll(() => log.offsets('end', [at]).catch(() => [0n])).not.toEqual([0n])
    expect((await log.offsets('end', [at]))[0]).toBeGreaterThanOrEqual(seen!)
    expect(await valuesOf(log, at)).toEqual([])
    await log.close()
  })

  it('is one log for several processes and for several logs of one process', async () => {
    const owner = await start()
    await owner.call('createTopics')
    const [one, two] = [await openEmbeddedLog({ directory }), await openEmbeddedLog({ directory })]
    await put(one, 'plain', 'a')
    expect(await valuesOf(two, { topic: 'plain', partition: 0 })).toEqual(['a'])
    await one.close()
    await put(two, 'plain', 'b')
    const reading = await start()
    await reading.call('readForever', 'plain')
    await reading.told(({ read }) => read === 'b')
    await two.close()
    await expect(two.listTopics()).rejects.toMatchObject({ code: 'LOG_CLOSED' })
  })

  it('goes on with a new owner when the owner is killed: readers, members, writers', async () => {
    const owner = await start()
    await owner.call('createTopics')
    const [member, writer] = [await start(), await start()]
    await member.call('join', 'group')
    await member.call('readForever', 'plain')
    await member.told(({ assigned }) => assigned === 1)
    await writer.call('begin', 'w')
    await writer.call('send', 'plain', 'a')
    await writer.call('commit')
    await member.told(({ read }) => read === 'a')
    await writer.call('again')
    await writer.call('send', 'plain', 'lost')
    await owner.kill()

    await member.told(({ lost }) => lost === 'FencedError')
    await member.told(({ assigned }) => Number(assigned) > 1)
    await expect(writer.call('commit')).rejects.toMatchObject({
      name: expect.stringMatching(/Abortable|Unknown/),
    })
    await writer.call('begin', 'w')
    await writer.call('send', 'plain', 'b')
    await writer.call('commit')
    await member.told(({ read }) => read === 'b')
    expect(member.progress.filter(({ read }) => read !== undefined)).toEqual([{ read: 'a' }, { read: 'b' }])
  })

  it('goes on through a series of killed owners', async () => {
    let owner = await start()
    await owner.call('createTopics')
    const reading = await start()
    await reading.call('readForever', 'plain')
    for (let round = 0; round < 4; round += 1) {
      const heirs = [await start(), await start()]
      await owner.kill()
      await Promise.all(heirs.map((heir) => heir.call('begin', `heir-${round}`).catch(() => undefined)))
      const log = await openEmbeddedLog({ directory })
      await put(log, 'plain', `round ${round}`)
      await log.close()
      await reading.told(({ read }) => read === `round ${round}`)
      await heirs[0]!.kill()
      owner = heirs[1]!
    }
    const read = reading.progress.filter((progress) => progress['read'] !== undefined)
    expect(read.map((progress) => progress['read'])).toEqual(['round 0', 'round 1', 'round 2', 'round 3'])
  })

  it('hands over when the owner closes', async () => {
    const owner = await openEmbeddedLog({ directory })
    await owner.createTopics([{ name: 'plain', partitions: 1 }])
    const reading = await start()
    await reading.call('readForever', 'plain')
    await put(owner, 'plain', 'a')
    await reading.told(({ read }) => read === 'a')
    await owner.close()
    const back = await openEmbeddedLog({ directory })
    await put(back, 'plain', 'b')
    await reading.told(({ read }) => read === 'b')
    await back.close()
  })

  it('serves from a directory whose path is too long for a socket', async () => {
    directory = path.join(directory, 'd'.repeat(120))
    const owner = await openEmbeddedLog({ directory })
    await owner.createTopics([{ name: 'plain', partitions: 1 }])
    await put(owner, 'plain', 'a')
    const reading = await start()
    await reading.call('readForever', 'plain')
    await reading.told(({ read }) => read === 'a')
    await owner.close()
  })

  it('says clearly what is wrong with a directory', async () => {
    const file = path.join(directory, 'file')
    await writeFile(file, '')
    await expect(openEmbeddedLog({ directory: file })).rejects.toMatchObject({
      name: 'FatalError',
      code: 'LOG_DIRECTORY_UNUSABLE',
      message: expect.stringContaining('is not a directory'),
    })
    await expect(openEmbeddedLog({ directory: path.join(file, 'below') })).rejects.toMatchObject({
      code: 'LOG_DIRECTORY_UNUSABLE',
    })
  })

  it('refuses a damaged database, and opens it again once it is mended', async () => {
    const log = await openEmbeddedLog({ directory })
    await log.createTopics([{ name: 't', partitions: 1 }])
    await log.close()
    const current = path.join(directory, 'data', 'CURRENT')
    const content = await readFile(current)
    await rm(current)
    await expect(openEmbeddedLog({ directory })).rejects.toMatchObject({
      name: 'FatalError',
      code: 'LOG_DAMAGED',
    })
    await writeFile(current, content)
    const manifest = path.join(directory, 'data', content.toString().trim())
    const bytes = await readFile(manifest)
    await writeFile(manifest, Buffer.from(bytes).fill(0x55, 10, 30))
    await expect(openEmbeddedLog({ directory })).rejects.toMatchObject({
      name: 'FatalError',
      code: 'LOG_DAMAGED',
    })
    await writeFile(manifest, bytes)
    const mended = await openEmbeddedLog({ directory })
    expect(await mended.listTopics()).toEqual(['t'])
    await mended.close()
  })
})
